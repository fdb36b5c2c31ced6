FROM python:3.11.17-slim@sha256:45037981b62b34b44602584fccbc4d884d5f7dc92c7ee86bb38a698a79fe1e51

# The index with PyTorch's CPU wheel. Empty: PyPI, whose wheel contains CUDA; docker-compose.gpu.yml makes it empty.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HOME=/data/huggingface \
    MODEL_DIR=/data/models

WORKDIR /app
COPY requirements-base.txt requirements.txt ./
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX_URL" "$(grep '^torch==' requirements.txt)"; \
    fi \
    && pip install --no-cache-dir -r requirements.txt \
    && pip install --no-cache-dir --no-deps -r requirements-base.txt

COPY --chmod=755 deploy/healthcheck.sh /usr/local/bin/healthcheck.sh
COPY huggingface_ner huggingface_ner
# the root file system may be read-only, so the home folder, to which libraries write, is the volume
RUN useradd --no-log-init --uid 1000 --home-dir /data ner && install --directory --owner=ner --group=ner /data
USER 1000
VOLUME /data
EXPOSE 9090

# the check sends the service's credentials, because /health requires them too
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s CMD ["healthcheck.sh", "server"]
CMD ["python", "-m", "huggingface_ner", "serve"]
