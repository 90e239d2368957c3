package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/console/auth"
)

// TestQuestionsThatPanic are answered as any that fails: a page asks in goroutines of its own, and one that panics there
// would end the console for everybody.
func TestQuestionsThatPanic(t *testing.T) {
	a := &api{Options: Options{Log: slog.New(slog.DiscardHandler), Timeout: time.Minute}}
	ask := question(a, func(context.Context, auth.Who, *struct{}) (*struct{}, error) { panic("wrong") })
	who := auth.Who{}
	who.Claims = &identity.Claims{Provider: "company", Subject: "ana"}
	for range 2 * atOnce { // each gives back its turn
		out, err := ask(t.Context(), who, &struct{}{})
		var problem *Problem
		if out != nil || !errors.As(err, &problem) || problem.Status != http.StatusInternalServerError {
			t.Errorf("got %v, %v", out, err)
		}
	}
}
