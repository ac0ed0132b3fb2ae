#!/usr/bin/env bash
# In place of Bazel, in a source that stands in for TensorFlow's: compiles nothing, takes the portable wheel of the package
# index for what was compiled, and leaves it where TensorFlow's build does. Shows Bazel's form of output.
#
# usage: bazel.sh OPTION ... build OPTION ... TARGET
set -Eeuo pipefail

readonly WHEELS=bazel-bin/tensorflow/tools/pip_package/wheel_house

# prints the value of the last --repo_env=NAME=VALUE
# usage: repo_env NAME WORD ...
repo_env() {
	printf '%s\n' "${@:2}" | sed -n "s/^--repo_env=$1=//p" | tail -n 1
}

main() {
	local name environment
	[ "${*: -1}" = //tensorflow/tools/pip_package:wheel ] || { echo "ERROR: no such target '${*: -1}'" >&2 && exit 1; }
	name=$(repo_env WHEEL_NAME "$@")
	mkdir -p "$WHEELS"
	echo "[1 / 2] 1 action running; Downloading $name; 1s local" >&2
	environment=$(mktemp -d)
	python3 -m venv "$environment"
	"$environment/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$WHEELS" \
		"$name==$TENSORFLOW_VERSION"
	rm -rf "$environment"
	echo '[2 / 2] no actions running' >&2
}

main "$@"
