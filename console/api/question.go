package api

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/bursar-dev/bursar/console/auth"
)

// Question is what a route asks, for callers within the console: the same code, with the same
// rights, as the route. The error is a *Problem. Whoever asks checks what the route's schema
// demands of the input, or gives it by construction.
type Question[I, O any] func(ctx context.Context, who auth.Who, in *I) (*O, error)

// QuestionOf is what the route asks that has an operation id. It fails where no route has it, or
// takes or answers something else.
func QuestionOf[I, O any](a *API, operation string) (Question[I, O], error) {
	question, ok := a.answers.questions[operation].(Question[I, O])
	if !ok {
		return nil, fmt.Errorf("no route %q takes %T and answers %T: it is a %T", operation, *new(I), *new(O), a.answers.questions[operation])
	}
	return question, nil
}

// Identify is who has sent a request. The error is a *Problem.
func (a *API) Identify(ctx context.Context, header http.Header) (auth.Who, error) {
	who, err := a.answers.Auth.Identify(ctx, header)
	return who, a.answers.explained(ctx, err)
}

// Role is what somebody may see of a tenant that has a budget. The error is a *Problem, also for who may see
// nothing.
func (a *API) Role(ctx context.Context, who auth.Who, tenant string) (auth.Role, error) {
	v, err := a.answers.view(ctx, who, tenant, auth.Above)
	return v.role, a.answers.explained(ctx, err)
}

// question is an answer to a route as all of its callers get it: within the time that there is,
// in turn, and with errors that say what its caller may know.
func question[I, O any](a *api, answer func(ctx context.Context, who auth.Who, in *I) (*O, error)) Question[I, O] {
	return func(ctx context.Context, who auth.Who, in *I) (out *O, err error) {
		ctx, cancel := context.WithTimeout(ctx, a.Timeout)
		defer cancel()
		defer func() { // a page asks in goroutines, of which nobody else would see that they panic
			if panicked := recover(); panicked != nil {
				a.Log.Error("A question made the console panic", "question", fmt.Sprintf("%T", in), "panic", panicked, "stack", string(debug.Stack()))
				out, err = nil, internal()
			}
		}()
		if out, err = inTurn(ctx, a, who, in, answer); err != nil {
			return nil, a.explained(ctx, err)
		}
		return out, nil
	}
}
