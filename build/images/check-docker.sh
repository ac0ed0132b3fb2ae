#!/bin/sh
# What `make image`, `make devel` and `make test-image` begin with: says what is missing of Docker, and what to do about it, in place
# of an error of its client.
set -eu

# usage: missing LINE ...
missing() {
	printf 'error: %s\n' "$1" >&2
	shift
	printf '  %s\n' "$@" "Without Docker the server runs by: make serve" >&2
	exit 1
}

if ! command -v docker >/dev/null; then
	missing "there is no docker command, which builds images." \
		"Install Docker Engine: https://docs.docker.com/engine/install/" \
		"On Debian and Ubuntu: sudo apt-get install docker.io"
fi
if ! answer=$(docker version --format '{{.Server.Version}}' 2>&1); then
	case $answer in
		*ermission\ denied*)
			missing "$(id -un) may not use Docker's engine." \
				"Let a member of the group docker do it: sudo usermod -aG docker $(id -un), then log in again." \
				"Or run the same command as root."
			;;
		*)
			missing "no Docker engine answers at ${DOCKER_HOST:-its usual place}." \
				"Start it: sudo systemctl start docker (Docker Desktop: open it)." \
				"For an engine elsewhere: export DOCKER_HOST=ssh://user@host" \
				"Docker says: $(printf '%s' "$answer" | tail -n 1 | cut -c 1-300)"
			;;
	esac
fi
