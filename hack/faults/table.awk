# Makes a table of the output of `go test -v`: a row for each test, with its seed, whether it
# passed and how long it took, and below it what it has logged.

function name_of(line) { sub(/^ *(=== (RUN|CONT|NAME) +|--- [A-Z]+: )/, "", line); sub(/ \([0-9.]+s\)$/, "", line); return line }

BEGIN { printf "%-66s %-22s %-6s %9s\n", "case", "seed", "result", "time" }

/^=== GROUP / { group = $3; next }
/^=== (RUN|CONT|NAME) / { test = name_of($0); next }
/^ *--- (PASS|FAIL|SKIP): / {
	result = $2; sub(/:/, "", result)
	took = $NF; gsub(/[()]/, "", took)
	ended = name_of($0)
	if (ended in seen || ended !~ /\// || result == "FAIL") { # cases of a table that have logged nothing are part of it
		printf "%-66s %-22s %-6s %9s\n", group " " ended, seed[ended], result, took
		if (ended in seen) printf "%s", seen[ended]
	}
	tests++
	if (result == "FAIL") failures++
	delete seen[ended]; delete seed[ended]
	next
}
/^ +[A-Za-z0-9_]+_test\.go:[0-9]+: / {
	text = $0; sub(/^ +[A-Za-z0-9_]+_test\.go:[0-9]+: /, "", text)
	if (match(text, /BURSAR_SEED=[0-9]+/)) { seed[test] = substr(text, RSTART + 12, RLENGTH - 12); next }
	seen[test] = seen[test] "    " text "\n"
	next
}
/^ +\[rapid\] / { text = $0; sub(/^ +/, "", text); seen[test] = seen[test] "    " text "\n" }

END { printf "%d cases, %d failed\n", tests, failures }
