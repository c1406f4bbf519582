#!/bin/sh
# Prints the folder that holds bin/ and docker/ of hpt on this machine. In a checkout of hpt itself that is the current
# folder. In any other repository it is an environment below .hpt/ with the version that hpt.toml names. If that cannot be
# made, it is a folder of scripts that fail with the reason. Called in the workspace; needs Python 3.11 or newer with
# venv, and no root.
set -u
if [ -x bin/hpt ] && [ -f pipeline/jenkins/sweep.groovy ]; then
    echo .
    exit
fi
mkdir -p .hpt || exit

find_python() {
    for candidate in ${PYTHON:-} ${HPT_PACKAGES:+"$HPT_PACKAGES/bin/python3"} python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

if python=$(find_python); then
    "$python" -I - <<'PYTHON' && exit
START.PY
PYTHON
    status=$?
    # A Python that breaks down ends with 1, which would mean that trials failed.
    if [ "$status" -eq 1 ]; then status=3; fi
else
    echo "not fit: no Python 3.11 or newer: install one, or name it with PYTHON=/path/to/python3" >.hpt/why
    status=3
fi
rm -rf .hpt/unfit
mkdir -p .hpt/unfit/bin .hpt/unfit/docker
mv .hpt/why .hpt/unfit/why 2>/dev/null || echo "not ready: the environment could not be made" >.hpt/unfit/why
for script in bin/hpt bin/ready docker/image; do
    code=$status
    # Like bin/ready of a machine with hpt: 1 if the cause may lie elsewhere and pass.
    case $script,$status,$(cat .hpt/unfit/why) in 'bin/ready,3,not ready'*) code=1 ;; esac
    cat >".hpt/unfit/$script" <<SCRIPT
#!/bin/sh
mkdir -p build
cp "\$(dirname "\$0")/../why" build/ready.txt
echo "hpt: \$(cat build/ready.txt)" >&2
exit $code
SCRIPT
    chmod +x ".hpt/unfit/$script"
done
echo "$PWD/.hpt/unfit"
