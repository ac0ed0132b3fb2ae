#!/usr/bin/env bash
# Starts and stops a Docker engine on a machine without an init system. An engine that already runs is used and left.
#
# usage: .ci/docker-engine.sh start|stop
# After start, $ENGINE_DIR/build-network holds the network that image builds need: "bridge", or "host" where the engine
# could not set up address translation for containers.
set -Eeuo pipefail

readonly ENGINE_DIR=${ENGINE_DIR:-/tmp/docker-engine}
readonly PID_FILE=$ENGINE_DIR/dockerd.pid LOG_FILE=$ENGINE_DIR/dockerd.log
readonly START_SECONDS=30

# usage: answers
answers() {
	docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# usage: is_running PID
is_running() {
	kill -0 "$1" 2>/dev/null
}

# starts dockerd with the OPTIONS and waits for it; fails when it exits or does not answer in time
# usage: try_start [OPTION ...]
try_start() {
	local pid deadline=$((SECONDS + START_SECONDS))
	echo "--- dockerd $*" >>"$LOG_FILE"
	setsid dockerd --pidfile="$PID_FILE" "$@" </dev/null >>"$LOG_FILE" 2>&1 &
	pid=$!
	disown
	while [ "$SECONDS" -lt "$deadline" ] && is_running "$pid"; do
		! answers || return 0
		sleep 0.2
	done
	! is_running "$pid" || stop_process "$pid"
	return 1
}

# ends a process and waits until it is gone
# usage: stop_process PID
stop_process() {
	kill -TERM "$1" 2>/dev/null || return 0
	timeout 60 tail --pid="$1" -f /dev/null || kill -KILL "$1"
}

# makes `iptables` mean the legacy one for the engine alone: some kernels have only one of the two tables
# usage: with_legacy_iptables COMMAND ...
with_legacy_iptables() {
	local tools=$ENGINE_DIR/legacy name
	mkdir -p "$tools"
	for name in iptables ip6tables; do
		ln -sf "$(command -v "$name-legacy" || echo /bin/false)" "$tools/$name"
	done
	PATH=$tools:$PATH "$@"
}

# usage: start
start() {
	mkdir -p "$ENGINE_DIR"
	if answers; then
		echo "an engine is running already"
		[ -s "$ENGINE_DIR/build-network" ] || echo bridge >"$ENGINE_DIR/build-network"
		return
	fi
	# Left over from an engine that was killed; dockerd would refuse to start.
	rm -f "$PID_FILE"
	: >"$LOG_FILE"
	echo bridge >"$ENGINE_DIR/build-network"
	# The engine picks the storage driver itself (overlay2 where the disk allows it); vfs works everywhere, slowly.
	if try_start || with_legacy_iptables try_start || try_start --storage-driver=vfs; then
		:
	elif try_start --iptables=false --ip6tables=false || try_start --iptables=false --ip6tables=false --storage-driver=vfs; then
		echo host >"$ENGINE_DIR/build-network"
		echo "warning: no iptables here: builds use the host's network; published ports go through Docker's proxy."
	else
		tail -n 40 "$LOG_FILE" >&2
		echo "error: no Docker engine could be started; the end of $LOG_FILE is above." >&2
		return 1
	fi
	docker info --format 'engine {{.ServerVersion}}, storage {{.Driver}}, cgroups {{.CgroupVersion}}' 2>/dev/null
}

# stops the engine that start started, and no other
# usage: stop
stop() {
	if [ ! -s "$PID_FILE" ]; then
		echo "no engine of ours is running"
		return
	fi
	stop_process "$(<"$PID_FILE")"
	rm -f "$PID_FILE"
}

case ${1-} in
	start | stop) "$1" ;;
	*)
		echo "usage: .ci/docker-engine.sh start|stop" >&2
		exit 2
		;;
esac
