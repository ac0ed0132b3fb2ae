#!/usr/bin/env bash
# Makes an image for 64-bit ARM within a minute: the same packages as the Dockerfile's, but laid out by this machine's own
# programs, so that nothing is emulated before the server runs. No script of a Debian package has run in it, and nothing is
# slimmed. It is for tests; users get the Dockerfile's, which `make test-arm` builds under emulation.
#
# usage: .ci/arm-image.sh IMAGE
# Needs root, debootstrap, .venv, a package mirror and a package index.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SUITE=bookworm PACKAGES=/opt/serving/lib/python3.11/site-packages

# lays out Debian's packages; as debootstrap does, an entry that is there stays, for /bin is a link
# usage: unpack_debian ROOT
unpack_debian() {
	local root=$1 package mirror
	# this machine's own; without its lists debootstrap's default
	# shellcheck disable=SC2016 # the $(...) are apt's own placeholders
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' 'Origin: Debian' |
		awk -v suite="$SUITE" '$2 == suite && $3 == "main" && !found++ { print $1 }') || true
	debootstrap --arch=arm64 --foreign --variant=minbase --include=python3 "$SUITE" "$root" ${mirror:+"$mirror"} \
		>"$root.log" 2>&1 || {
		tail -n 20 "$root.log" >&2
		return 1
	}
	for package in "$root"/var/cache/apt/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$package" | tar -C "$root" -x -k 2>/dev/null || true
	done
	rm -rf "$root"/var/cache/apt/archives/*.deb "$root/debootstrap" "$root"/usr/share/{doc,man,locale}
	test -x "$root/usr/bin/python3.11"
}

# lays out the locked packages for ARM and the server, as in the Dockerfile's image
# usage: unpack_server ROOT
unpack_server() {
	local root=$1 environment=$1/opt/serving
	mkdir -p "$environment/bin" "$root/models"
	# the Makefile's UV, which takes a mirror and a certificate from pip's settings
	# shellcheck disable=SC2016 # $(UV) is for make
	printf 'lay-out:\n\t@$(UV) pip install --quiet --no-config --target %s --python-version 3.11 %s\n' "$root$PACKAGES" \
		'--python-platform aarch64-manylinux_2_36 --require-hashes --only-binary :all: -r requirements.lock' |
		make --no-print-directory -f Makefile -f - lay-out
	rm -rf "$root$PACKAGES/tensorflow/include"
	cp -r serving "$root$PACKAGES/"
	printf 'home = /usr/bin\nversion = 3.11\n' >"$environment/pyvenv.cfg"
	ln -s /usr/bin/python3 "$environment/bin/python"
	printf '#!/opt/serving/bin/python\nfrom serving.__main__ import console\nconsole()\n' >"$environment/bin/tensorflow_model_server"
	chmod 0755 "$environment/bin/tensorflow_model_server"
	install -m 0644 build/images/portable/aarch64.json "$environment/build.json"
	install -m 0755 build/images/entrypoint.sh "$root/usr/bin/tf_serving_entrypoint.sh"
	install -m 0755 build/images/check-cpu "$root/usr/bin/tf_serving_check_cpu"
}

main() {
	if [ $# -ne 1 ]; then
		echo "usage: .ci/arm-image.sh IMAGE" >&2
		exit 2
	fi
	# Not local: the trap runs after main has returned.
	workdir=$(mktemp -d)
	trap 'rm -rf --one-file-system "$workdir"' EXIT
	unpack_debian "$workdir/root"
	unpack_server "$workdir/root"
	tar --numeric-owner -C "$workdir/root" -c . | docker import --platform linux/arm64 \
		--change 'ENV MODEL_BASE_PATH="/models" MODEL_NAME="model" PATH="/opt/serving/bin:/usr/bin:/bin" HOME="/tmp"' \
		--change 'EXPOSE 8500 8501' --change 'ENTRYPOINT ["/usr/bin/tf_serving_entrypoint.sh"]' --change 'USER 65532:65532' \
		- "$1"
}

main "$@"
