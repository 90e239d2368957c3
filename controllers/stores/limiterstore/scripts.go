package limiterstore

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
)

// scriptRun is the keys and the arguments of a script that is to be run.
type scriptRun struct {
	keys []string
	args []any
}

// runEach runs a script with each of several keys and arguments, in few round trips, and returns
// the answers in their order. The runs must be independent: their order may change where a
// server does not have the script yet, or where a slot is moving to another server.
func runEach(ctx context.Context, client redis.UniversalClient, script *redis.Script, runs []scriptRun) []*redis.Cmd {
	answers := make([]*redis.Cmd, 0, len(runs))
	for some := range slices.Chunk(runs, batch) {
		answers = append(answers, runSome(ctx, client, script, some)...)
	}
	return answers
}

func runSome(ctx context.Context, client redis.UniversalClient, script *redis.Script, runs []scriptRun) []*redis.Cmd {
	answers := make([]*redis.Cmd, len(runs))
	pipe := client.Pipeline()
	for i, run := range runs {
		answers[i] = script.EvalSha(ctx, pipe, run.keys, run.args...)
	}
	_, _ = pipe.Exec(ctx) // each answer has its error
	unknown := client.Pipeline()
	for i, run := range runs {
		if redis.HasErrorPrefix(answers[i].Err(), "NOSCRIPT") {
			answers[i] = script.Eval(ctx, unknown, run.keys, run.args...)
		}
	}
	_, _ = unknown.Exec(ctx) // likewise; nothing is sent where there is nothing
	return answers
}
