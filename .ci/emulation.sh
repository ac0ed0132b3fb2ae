#!/usr/bin/env bash
# Lets this machine run programs for 64-bit ARM, by QEMU's user emulation from Debian: registers it with the kernel, as
# Debian's binfmt-support does where an init system runs. Not part of the product.
#
# usage: .ci/emulation.sh
# Needs root, the package qemu-user-static, and a kernel with binfmt_misc. Status 1 with a sentence where that is not to be had.
set -Eeuo pipefail

readonly REGISTER=/proc/sys/fs/binfmt_misc KIND=qemu-aarch64

# usage: fail MESSAGE
fail() {
	echo "warning: $1; nothing for ARM can be run here" >&2
	exit 1
}

main() {
	[ "$(uname -m)" != aarch64 ] || return 0
	[ -e "$REGISTER/register" ] || mount -t binfmt_misc none "$REGISTER" 2>/dev/null || fail 'the kernel has no binfmt_misc'
	[ ! -e "$REGISTER/$KIND" ] || return 0
	[ -r "/usr/lib/binfmt.d/$KIND.conf" ] || fail 'there is no qemu-user-static'
	# Debian's line has the flag F: the kernel keeps the program open, so that it is there in a container as well.
	cat "/usr/lib/binfmt.d/$KIND.conf" >"$REGISTER/register" || fail 'binfmt_misc takes no entry'
}

main "$@"
