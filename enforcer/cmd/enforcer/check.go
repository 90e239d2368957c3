package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// checkTimeout bounds a check.
const checkTimeout = 10 * time.Second

// check asks the enforcer at a URL for its models, without a key, and fails unless the answer is an
// enforcer's 401. That costs nothing, and no provider is asked.
func check(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/v1/models", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	var refusal struct{ Error struct{ Code string } }
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&refusal); err != nil {
		return fmt.Errorf("%s answers %s, which is not an enforcer's answer: %w", request.URL, response.Status, err)
	}
	if response.StatusCode != http.StatusUnauthorized || refusal.Error.Code == "" {
		return fmt.Errorf("%s answers %s (%s), want 401: enforcers ask for a key", request.URL, response.Status, refusal.Error.Code)
	}
	return nil
}
