#!/usr/bin/env bash
# Installs the locked packages; in place of the package index's TensorFlow the wheel that lies in a directory, if one does.
#
# usage: install-packages.sh LOCK WHEELS PIP ...
#   ie: install-packages.sh /tmp/requirements.lock /wheels /opt/build/bin/pip --python /opt/serving/bin/python
set -Eeuo pipefail

readonly TENSORFLOW='^tensorflow(-cpu)?(\[[^]]*\])?=='
readonly OPTIONS=(--no-cache-dir --no-compile)

# prints a lock without TensorFlow itself; what that needs stays
# usage: without_tensorflow LOCK
without_tensorflow() {
	awk -v tensorflow="$TENSORFLOW" '/^[a-z]/ { keep = $0 !~ tensorflow } keep' "$1"
}

# prints the one wheel of a directory, nothing when there is none
# usage: find_wheel DIRECTORY
find_wheel() {
	local found=("$1"/*.whl)
	[ -e "${found[0]}" ] || return 0
	[ ${#found[@]} -eq 1 ] || { echo "error: $1 has ${#found[@]} wheels; expected one: ${found[*]}" >&2 && return 1; }
	echo "${found[0]}"
}

# fails when a wheel is not of the lock's version, for then the other packages may not fit
# usage: check_version WHEEL LOCK
check_version() {
	local wheel=${1##*/} name version locked
	IFS=- read -r name version _ <<<"$wheel"
	locked=$(sed -nE "s/$TENSORFLOW([^ ;]+).*/\3/p" "$2" | sort -u)
	case $name in
		tensorflow | tensorflow_cpu) ;;
		*) echo "error: $wheel is not TensorFlow" >&2 && return 1 ;;
	esac
	if [ "$version" != "$locked" ]; then
		echo "error: $wheel is TensorFlow $version; ${2##*/} has the packages that go with $locked." >&2
		echo "next: build the devel image with --build-arg TENSORFLOW_VERSION=$locked" >&2
		return 1
	fi
}

# fails when build.json lies beside a wheel and is about another
# usage: check_description WHEEL
check_description() {
	local description=${1%/*}/build.json said
	[ -e "$description" ] || return 0
	said=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1])).get("wheel_sha256", ""))' "$description")
	[ -z "$said" ] || echo "$said  $1" | sha256sum --check --quiet
}

main() {
	local lock=$1 wheel rest
	wheel=$(find_wheel "$2")
	shift 2
	if [ -z "$wheel" ]; then
		"$@" install "${OPTIONS[@]}" --require-hashes --only-binary :all: -r "$lock"
		return
	fi
	check_version "$wheel" "$lock"
	check_description "$wheel"
	rest=$(mktemp)
	without_tensorflow "$lock" >"$rest"
	"$@" install "${OPTIONS[@]}" --require-hashes --only-binary :all: -r "$rest"
	rm "$rest"
	"$@" install "${OPTIONS[@]}" --no-deps --no-index "$wheel"
}

if [ $# -lt 3 ]; then
	echo 'usage: install-packages.sh LOCK WHEELS PIP ...' >&2
	exit 2
fi
main "$@"
