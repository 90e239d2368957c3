package api

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/bursar-dev/bursar/console/auth"
)

// Question is a route as a function, for callers within the console: the same code, with the
// same rights. The error is a *Problem. The caller must ensure that the input is valid by the
// route's schema.
type Question[I, O any] func(ctx context.Context, who auth.Who, in *I) (*O, error)

// QuestionOf is the Question of the route with an operation id. It fails if there is no such route, or if it
// has other types.
func QuestionOf[I, O any](a *API, operation string) (Question[I, O], error) {
	question, ok := a.answers.questions[operation].(Question[I, O])
	if !ok {
		return nil, fmt.Errorf("no route %q takes %T and answers %T: it is a %T", operation, *new(I), *new(O), a.answers.questions[operation])
	}
	return question, nil
}

// Identify is the sender of a request. The error is a *Problem.
func (a *API) Identify(ctx context.Context, header http.Header) (auth.Who, error) {
	who, err := a.answers.Auth.Identify(ctx, header)
	return who, a.answers.explained(ctx, err)
}

// Role is what the caller may see of a tenant that has a budget. The error is a *Problem, also if the caller
// may see nothing.
func (a *API) Role(ctx context.Context, who auth.Who, tenant string) (auth.Role, error) {
	v, err := a.answers.view(ctx, who, tenant, auth.Above)
	return v.role, a.answers.explained(ctx, err)
}

// question wraps a route's answer as all of its callers get it: within the timeout, in turn, and with errors
// that say only what the caller may know.
func question[I, O any](a *api, answer func(ctx context.Context, who auth.Who, in *I) (*O, error)) Question[I, O] {
	return func(ctx context.Context, who auth.Who, in *I) (out *O, err error) {
		ctx, cancel := context.WithTimeout(ctx, a.Timeout)
		defer cancel()
		defer func() { // a page asks in goroutines, where nothing else would catch a panic
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
