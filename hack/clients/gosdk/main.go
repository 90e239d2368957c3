// Package main calls Bursar with the providers' SDKs for Go, as a newcomer would: with the
// base URL and the key the only change. clients_test.go runs it as it does the clients from npm: its
// arguments name the client and the call, and it prints one line of JSON.
//
// It is a module of its own, so that the SDKs are none of the product's dependencies.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
)

// call makes a call, and returns the answer.
type call func(ctx context.Context) (string, error)

// clients are the calls of each client, by name.
var clients = map[string]map[string]call{"openai-go": openaiCalls, "anthropic-sdk-go": anthropicCalls}

// Only the base URL and the key are Bursar's.
var (
	bursarURL = os.Getenv("BURSAR_URL")
	key       = os.Getenv("BURSAR_KEY")
	prompt    = os.Getenv("PROMPT")
)

// base is the base URL, with the path that the client's users usually write or, if the test sets one, another.
func base(path string) string { return bursarURL + cmp.Or(os.Getenv("BURSAR_BASE"), path) }

// weather is the tool that models are offered.
const (
	weather            = "weather"
	weatherDescription = "The weather in a city"
	sunny              = "sunny"
)

func schema(property string) map[string]any {
	return map[string]any{
		"type":       "object",
		"properties": map[string]any{property: map[string]any{"type": "string"}}, "required": []string{property}, "additionalProperties": false,
	}
}

// story is the structure that answers must have.
type story struct {
	Title string `json:"title"`
}

func parseStory(text string) (string, error) {
	var s story
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return "", fmt.Errorf("the answer is no story: %w: %s", err, text)
	}
	return s.Title, nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 || clients[args[0]][args[1]] == nil {
		return fmt.Errorf("no call %q", args)
	}
	text, err := clients[args[0]][args[1]](context.Background())
	if err != nil {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"error": described(err)})
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"text": text})
}

// described is an error as a program that uses the SDK sees it.
func described(err error) map[string]any {
	var fromOpenAI *openai.Error
	var fromAnthropic *anthropic.Error
	switch {
	case errors.As(err, &fromOpenAI):
		return map[string]any{"name": "openai.Error", "status": fromOpenAI.StatusCode, "message": fromOpenAI.Message}
	case errors.As(err, &fromAnthropic):
		return map[string]any{"name": "anthropic.Error/" + string(fromAnthropic.Type()), "status": fromAnthropic.StatusCode, "message": err.Error()}
	}
	return map[string]any{"name": fmt.Sprintf("%T", err), "message": err.Error()}
}
