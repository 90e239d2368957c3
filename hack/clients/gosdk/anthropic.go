package main

import (
	"context"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

var anthropicCalls = map[string]call{
	"messages": message, "messagesStream": messageStream, "messagesTool": messageTool, "messagesObject": messageObject,
}

func newAnthropic() anthropic.Client {
	return anthropic.NewClient(option.WithBaseURL(base("")), option.WithAPIKey(key))
}

func messageParams() anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: "claude-sonnet-4-5", MaxTokens: 50, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))},
	}
}

func textOf(m *anthropic.Message) (text string) {
	for _, block := range m.Content {
		text += block.Text
	}
	return text
}

func message(ctx context.Context) (string, error) {
	client := newAnthropic()
	answer, err := client.Messages.New(ctx, messageParams())
	if err != nil {
		return "", err
	}
	return textOf(answer), nil
}

func messageStream(ctx context.Context) (string, error) {
	answer, err := streamed(ctx, messageParams())
	if err != nil {
		return "", err
	}
	return textOf(&answer), nil
}

func streamed(ctx context.Context, params anthropic.MessageNewParams) (all anthropic.Message, _ error) {
	client := newAnthropic()
	stream := client.Messages.NewStreaming(ctx, params)
	for stream.Next() {
		if err := all.Accumulate(stream.Current()); err != nil {
			return all, err
		}
	}
	return all, stream.Err()
}

// messageTool makes the model call a tool, and sends it the result. Both answers are streamed.
func messageTool(ctx context.Context) (string, error) {
	params := messageParams()
	params.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{
		Name: weather, Description: anthropic.String(weatherDescription),
		InputSchema: anthropic.ToolInputSchemaParam{Properties: schema("city")["properties"], Required: []string{"city"}},
	}}}
	called, err := streamed(ctx, params)
	if err != nil {
		return "", err
	}
	name := ""
	params.Messages = append(params.Messages, called.ToParam())
	for _, block := range called.Content {
		if block.Type == "tool_use" {
			name = block.Name
			params.Messages = append(params.Messages, anthropic.NewUserMessage(anthropic.NewToolResultBlock(block.ID, sunny, false)))
		}
	}
	said, err := streamed(ctx, params)
	if err != nil {
		return "", err
	}
	return name + " is " + sunny + ": " + textOf(&said), nil
}

func messageObject(ctx context.Context) (string, error) {
	client := newAnthropic()
	params := messageParams()
	params.OutputConfig = anthropic.OutputConfigParam{Format: anthropic.JSONOutputFormatParam{Schema: schema("title")}}
	answer, err := client.Messages.New(ctx, params)
	if err != nil {
		return "", err
	}
	return parseStory(textOf(answer))
}
