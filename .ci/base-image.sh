#!/usr/bin/env bash
# Makes a Debian base image from this machine's own package mirror, for builds where no image registry can be reached.
# Not part of the product: elsewhere the Dockerfile's default base is pulled.
#
# usage: .ci/base-image.sh IMAGE [ARCHITECTURE]
#   ie: .ci/base-image.sh serving-base:bookworm
#       .ci/base-image.sh serving-base-arm64:bookworm arm64
# ARCHITECTURE is Debian's word, by default this machine's. Another one's programs must run here: .ci/emulation.sh.
# The image carries this machine's CA bundle and its pip and proxy settings, as it would behind a company proxy.
set -Eeuo pipefail

readonly SUITE=bookworm
readonly CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
# Not the bundle's usual place: an upgrade of the ca-certificates package writes that anew, without this machine's own.
readonly IMAGE_CA_BUNDLE=/usr/local/share/base-image/ca-bundle.crt

# prints the "deb URI SUITE COMPONENTS" lines of the Debian archives that this machine's apt uses
# usage: debian_sources
debian_sources() {
	# shellcheck disable=SC2016 # the $(...) are apt's own placeholders
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' 'Origin: Debian' |
		grep -E " ${SUITE}(-security|-updates)? main\$" | sort -u
}

# installs a minimal Debian below DIRECTORY
# usage: make_root DIRECTORY ARCHITECTURE
make_root() {
	local root=$1 architecture=$2 sources mirror
	sources=$(debian_sources) || true
	# Without lists (no apt-get update yet) debootstrap's own default mirror is used.
	mirror=$(awk -v suite="$SUITE" '$3 == suite { print $2; exit }' <<<"$sources")
	debootstrap --arch="$architecture" --variant=minbase --include=ca-certificates "$SUITE" "$root" ${mirror:+"$mirror"} \
		>"$root.log" 2>&1 || {
		tail -n 20 "$root.log" >&2
		echo "error: debootstrap failed; the end of its log is above." >&2
		return 1
	}
	[ -z "$sources" ] || printf '%s\n' "$sources" >"$root/etc/apt/sources.list"
	rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
	[ -s "$CA_BUNDLE" ] || {
		echo "error: this machine has no $CA_BUNDLE: install ca-certificates." >&2
		return 1
	}
	install -D -m 0644 "$CA_BUNDLE" "$root$IMAGE_CA_BUNDLE"
}

# prints its arguments but those that name a file or directory of this machine, which is not there in a container
# usage: without_local_paths WORD ...
without_local_paths() {
	local word words=()
	for word; do
		case $word in
			file:* | /* | ./*) ;;
			*) words+=("$word") ;;
		esac
	done
	echo "${words[*]-}"
}

# prints the value of one of pip's settings, from its environment variable or its configuration files
# usage: pip_setting NAME
pip_setting() {
	local variable=PIP_${1^^}
	variable=${variable//-/_}
	if [ -n "${!variable-}" ]; then
		echo "${!variable}"
	else
		python3 -m pip config get "global.$1" 2>/dev/null || true
	fi
}

# prints one "NAME=VALUE" line for each setting of this machine that a build inside a container needs
# usage: build_environment
build_environment() {
	local name value words
	for name in SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE; do
		echo "$name=$IMAGE_CA_BUNDLE"
	done
	for name in index-url extra-index-url trusted-host default-timeout retries; do
		read -r -d '' -a words <<<"$(pip_setting "$name")" || true
		value=$(without_local_paths "${words[@]}")
		name=${name^^}
		[ -z "$value" ] || echo "PIP_${name//-/_}=$value"
	done
	for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
		[ -z "${!name-}" ] || echo "$name=${!name}"
	done
}

# usage: import_image ROOT IMAGE ARCHITECTURE
import_image() {
	local root=$1 image=$2 architecture=$3 setting changes=()
	while IFS= read -r setting; do
		changes+=(--change "ENV ${setting%%=*}=\"${setting#*=}\"")
	done < <(build_environment)
	tar --numeric-owner -C "$root" -c . | docker import --platform "linux/$architecture" "${changes[@]}" --change 'CMD ["bash"]' - "$image"
}

# writes another architecture into an image, for `docker import --platform` is deaf to it before engine 23
# usage: set_architecture IMAGE ARCHITECTURE
set_architecture() {
	local image=$1 architecture=$2 folder=$workdir/saved
	[ "$(docker image inspect --format '{{.Architecture}}' "$image")" != "$architecture" ] || return 0
	mkdir "$folder"
	docker save "$image" | tar -C "$folder" -x
	docker rmi "$image"
	python3 - "$folder" "$architecture" <<-'PYTHON'
		import hashlib, json, pathlib, sys
		folder, architecture = pathlib.Path(sys.argv[1]), sys.argv[2]
		manifest = json.loads((folder / "manifest.json").read_text())
		config = json.loads((folder / manifest[0]["Config"]).read_text()) | {"architecture": architecture}
		text = json.dumps(config).encode()
		(folder / manifest[0]["Config"]).unlink()
		manifest[0]["Config"] = hashlib.sha256(text).hexdigest() + ".json"
		(folder / manifest[0]["Config"]).write_bytes(text)
		(folder / "manifest.json").write_text(json.dumps(manifest))
	PYTHON
	tar -C "$folder" -c . | docker load
	rm -r "$folder"
}

main() {
	local architecture
	if [ $# -lt 1 ] || [ $# -gt 2 ]; then
		echo "usage: .ci/base-image.sh IMAGE [ARCHITECTURE]" >&2
		exit 2
	fi
	architecture=${2:-$(dpkg --print-architecture)}
	if docker image inspect "$1" >/dev/null 2>&1; then
		echo "$1 is there already"
		return
	fi
	# Not local: the trap runs after main has returned.
	workdir=$(mktemp -d)
	trap 'rm -rf --one-file-system "$workdir"' EXIT
	make_root "$workdir/root" "$architecture"
	import_image "$workdir/root" "$1" "$architecture"
	set_architecture "$1" "$architecture"
	docker run --rm --network=none --platform "linux/$architecture" "$1" test -s "$IMAGE_CA_BUNDLE"
}

main "$@"
