#!/bin/sh
# Print the command of a Python for which all packages in requirements.txt can be installed; exit with 1 if there is none.
# 3.13 is the newest minor version for which PyTorch and all other packages there have wheels; numpy 2.2 has none for
# 3.14. The code below checks the version. It also checks the modules for virtual environments, because Debian has them in
# a separate package.
ask='
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit("is %d.%d" % sys.version_info[:2])
try:
    import ensurepip, venv
except ImportError:
    sys.exit("cannot make virtual environments; on Debian and Ubuntu install python%d.%d-venv" % sys.version_info[:2])
'
seen=
# 3.11 first: the version of the container image
for candidate in python3.11 python3.12 python3.13 python3 python; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    # the command may exist without a Python behind it, if a version manager has put it on the PATH
    if said=$("$candidate" -c "$ask" 2>&1); then
        echo "$candidate"
        exit
    fi
    seen="$seen
  $candidate: $(printf '%s\n' "$said" | tail -n 1)"
done
echo "No Python 3.11, 3.12 or 3.13 found. Install one, or name it: make PYTHON=/path/to/python3.11${seen:+
Found on the PATH:$seen}" >&2
exit 1
