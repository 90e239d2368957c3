package limiterstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ErrUnavailable means that Redis does not answer, or answers that it cannot serve now.
var ErrUnavailable = errors.New("redis is unavailable")

// notServing are the beginnings of answers of a Redis that cannot serve yet: it is
// loading its data, or another server is to take over.
var notServing = []string{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "READONLY"}

// unanswered adds ErrUnavailable to the error of a command to which Redis gave no answer.
// A caller that has cancelled its context says nothing about Redis.
func unanswered(err error) error {
	var answer redis.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &answer) && !slices.ContainsFunc(notServing, func(prefix string) bool { return strings.HasPrefix(answer.Error(), prefix) }):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
