FROM python:3.11-slim

# Empty: PyPI's wheel of torch, which carries CUDA. For a smaller CPU-only image give PyTorch's CPU index:
#   docker compose build --build-arg TORCH_INDEX_URL=<PyTorch's index for CPU wheels>
ARG TORCH_INDEX_URL=""

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HOME=/data/huggingface \
    MODEL_DIR=/data/models

WORKDIR /app
COPY requirements-base.txt requirements.txt ./
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        pip install --no-cache-dir --index-url "$TORCH_INDEX_URL" "$(grep '^torch==' requirements.txt)"; \
    fi \
    && pip install --no-cache-dir -r requirements.txt \
    && pip install --no-cache-dir --no-deps -r requirements-base.txt

COPY huggingface_ner huggingface_ner
RUN useradd --system --uid 1000 --create-home ner && mkdir /data && chown ner /data
USER ner
VOLUME /data
EXPOSE 9090

# with the service's own credentials: they protect /health too
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "-m", "huggingface_ner", "health"]
CMD ["python", "-m", "huggingface_ner", "serve"]
