#!/usr/bin/env bash
# Runs the fault cases in their long form, and ends with a table of them: case, seed, what was
# seen. Arguments are regular expressions: then only the groups whose names match run.
set -uo pipefail
cd "$(dirname "$0")/../.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0

# group NAME PACKAGE TESTS [FLAGS...] runs the tests of a package whose names begin as TESTS.
group() {
	local name=$1 package=$2 tests=$3
	shift 3
	if [ ${#only[@]} -gt 0 ] && ! printf '%s\n' "$name" | grep -qE "$(IFS='|'; printf '%s' "${only[*]}")"; then
		return
	fi
	printf '=== GROUP %s\n' "$name" | tee -a "$log"
	go test -count=1 -v -timeout 60m -run "^($tests)" "./$package" "$@" 2>&1 | tee -a "$log" || failed=1
}
only=("$@")

# Enforcers that are killed, stopped and cut off.
BURSAR_FAULTS=${BURSAR_FAULTS:-100} group enforcers enforcer/cmd/enforcer \
	'TestKilled|TestSlept|TestEndedWhileRedisForgot|TestSharesOfTheDead|TestShutdown|TestForgotten|TestOlderData|TestRedisGoes'
group adoption enforcer/adoption Test -rapid.checks=1000
group idle-connections enforcer/provider 'TestSendAgain|TestSendOnce|TestReadNothing|TestWriteNothing'
# Redis that is lost, again and again, older, and of another clock.
BURSAR_FAULTS=${BURSAR_FAULTS_LOSSES:-50} group losses controllers/recovery Test
group runs api/redisclient TestRun
group clocks-and-older-data enforcer/store \
	'TestClock|TestRetryAfter|TestExhausted|TestAbsurd|TestEnforcerClock|TestCountersGoBack|TestARedisThat|TestSentinelFailover|TestSharesOfADead|TestScriptsMend|TestWhatIsBroken'
group configuration enforcer/config 'TestConfigBecomes|TestLossOfRedis|TestAnEarlierLife|TestDocumentsComeAndGo'
group restored controllers/stores/limiterstore 'TestRestore|TestCopy'
# Objects that vanish.
group withdrawn controllers/leader/sweep Test
group departed controllers/rollout TestDeparted
group vanished controllers/setup TestControlPlane -ginkgo.focus='vanishes without its finalizer' -ginkgo.v
# All of it together.
BURSAR_HAND_OVERS=${BURSAR_HAND_OVERS:-5} group hand-over hack/e2e TestHandOver
BURSAR_FAULTS_AWAY=${BURSAR_FAULTS_AWAY:-2m} group redis hack/e2e 'TestRedis|TestOpenCallsOutliveRedis|TestSharesWhile'
BURSAR_FAULTS_POSTGRES=${BURSAR_FAULTS_POSTGRES:-10m} group postgres hack/e2e TestPostgresIsAway

printf '\n'
awk -f hack/faults/table.awk "$log"
exit $failed
