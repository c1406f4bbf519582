#!/bin/sh
# Prints where bin/ and docker/ of hpt are on this machine. In a checkout of hpt itself that is here; in any other
# repository, an environment below .hpt/, made of the version that hpt.toml names; or, where that cannot be made, a folder
# whose scripts say why. Called in the workspace; needs Python 3.11 or newer with venv, and no root.
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
    # 1 would say of `hpt` that trials failed; a Python that breaks down ends so.
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
    # As bin/ready of a machine that has hpt: 1 where it may be another's fault, and pass.
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
