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

// notServing begin the answers of a Redis that is about to serve: it is loading its data,
// or another server is to take over.
var notServing = []string{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "READONLY"}

// unanswered is an error of a command, with ErrUnavailable in it where Redis gave no
// answer to it. That the caller has gone says nothing about Redis.
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
