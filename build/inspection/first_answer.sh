#!/usr/bin/env bash
# Serves the model in the text SAVED_MODEL with the image's own entrypoint and prints the first answer. Runs in a container,
# given to bash as a text, so that neither a mounted directory nor a published port is needed.
#
# usage: env SAVED_MODEL=TEXT bash first_answer.sh
set -Eeuo pipefail

readonly ROOT=/tmp/verify-models MODEL=half_plus_two BODY='{"instances": [1.0, 2.0, 5.0]}'

# asks once, without a client program, which the image does not have; fails when nobody answers
# usage: ask
ask() {
	exec 3<>/dev/tcp/127.0.0.1/8501 || return 1
	printf 'POST /v1/models/%s:predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' \
		"$MODEL" "${#BODY}" "$BODY" >&3
	tr -d ' \r\n' <&3
	exec 3>&-
}

# usage: main
main() {
	local answer server
	mkdir -p "$ROOT/$MODEL/1"
	printf '%s' "$SAVED_MODEL" >"$ROOT/$MODEL/1/saved_model.pbtxt"
	env MODEL_BASE_PATH="$ROOT" MODEL_NAME="$MODEL" /usr/bin/tf_serving_entrypoint.sh &
	server=$!
	until answer=$(ask 2>/dev/null) && [[ $answer == *predictions* ]]; do
		kill -0 "$server" || exit 1
		sleep 0.02
	done
	printf 'first answer: %s\n' "${answer##*\{}"
	kill "$server"
	wait "$server"
}

main
