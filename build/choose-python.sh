#!/bin/sh
# Prints the path of the Python that is to make the environment, and on standard error which it is and why.
#
# usage: choose-python.sh COMMAND ...
# Of the suitable ones (3.11 to 3.13, with venv) it is the first that is about as fast as the fastest: a short loop decides,
# for not every Python says how it was compiled. Debian's has profile-guided optimisation and hides it, pyenv's has none.
# Status 1 when none is suitable.
set -eu

# What the loop may cost more than on the fastest, in percent: less is noise, or another release of Python.
readonly TOLERANCE=20
readonly ROUNDS='1 2 3'

# prints the time of the loop in microseconds of CPU, the release and the path; fails where the Python is not suitable
readonly PROBE='
import ensurepip, os, sys, time
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(1)
def loop():
    began, kept, total = time.process_time(), {}, 0
    for number in range(20000):
        kept[number & 255] = number
        total += kept[number & 255] >> 1
        total += len([each for each in (1, 2, 3)])
    return time.process_time() - began
release = ".".join(map(str, sys.version_info[:3]))
print(int(1e6 * min(loop() for _ in range(5))), release, os.path.realpath(sys._base_executable or sys.executable))
'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# In turns, so that a busy moment of the machine does not decide; the best of a Python's times is kept.
for round in $ROUNDS; do
	for python; do
		"$python" -I -c "$PROBE" 2>/dev/null || true
	done >"$work/round$round"
done
# A line for each Python, however many names it has, in the order in which they were given.
cat "$work"/round* | awk '
	{ path = $0; sub(/^[0-9]+ [^ ]+ /, "", path) }
	!(path in best) { order[++count] = path; best[path] = $1; release[path] = $2 }
	$1 < best[path] { best[path] = $1 }
	END { for (i = 1; i <= count; i++) print best[order[i]], release[order[i]], order[i] }' >"$work/found"

[ -s "$work/found" ] || {
	echo "error: none of these is a Python 3.11, 3.12 or 3.13 with the venv module: $*" >&2
	echo '  On Debian and Ubuntu: apt-get install python3-venv.' >&2
	echo '  Elsewhere name one: make install PYTHON=/path/to/python3.12' >&2
	exit 1
}

awk -v tolerance="$TOLERANCE" '
	{ path = $0; sub(/^[0-9]+ [^ ]+ /, "", path); time[NR] = $1; release[NR] = $2; paths[NR] = path }
	NR == 1 || $1 < fastest { fastest = $1 }
	NR == 1 || $1 > slowest { slowest = $1; slow = NR }
	END {
		for (taken = 1; time[taken] * 100 > fastest * (100 + tolerance); taken++);
		why = "the only suitable one"
		if (NR > 1) why = "the first of " NR ", none of which is much faster"
		if (time[taken] * (100 + tolerance) < slowest * 100)
			why = sprintf("%.1f times as fast as %s (%s)", slowest / time[taken], paths[slow], release[slow])
		printf "Making .venv with %s (Python %s): %s\n", paths[taken], release[taken], why >"/dev/stderr"
		print paths[taken]
	}' "$work/found"
