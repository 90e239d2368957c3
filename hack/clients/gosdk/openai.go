package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

var openaiCalls = map[string]call{
	"chat": chat, "chatStream": chatStream, "chatTool": chatTool, "chatObject": chatObject,
	"responses": respond, "responsesStream": respondStream, "responsesTool": respondTool, "responsesObject": respondObject,
	"embeddings": embed, "compact": compact,
}

const openaiModel = "gpt-4o-mini"

func newOpenAI() openai.Client {
	return openai.NewClient(option.WithBaseURL(base("/v1")), option.WithAPIKey(key))
}

func chatParams() openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: openaiModel, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(prompt)}}
}

func chat(ctx context.Context) (string, error) {
	client := newOpenAI()
	answer, err := client.Chat.Completions.New(ctx, chatParams())
	if err != nil {
		return "", err
	}
	return answer.Choices[0].Message.Content, nil
}

func chatStream(ctx context.Context) (text string, _ error) {
	client := newOpenAI()
	stream := client.Chat.Completions.NewStreaming(ctx, chatParams())
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			text += choice.Delta.Content
		}
	}
	return text, stream.Err()
}

// chatTool makes the model call a tool, and sends it the result. Both answers are streamed.
func chatTool(ctx context.Context) (string, error) {
	client := newOpenAI()
	params := chatParams()
	params.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name: weather, Description: openai.String(weatherDescription), Parameters: schema("city"),
	})}
	called, err := accumulate(client.Chat.Completions.NewStreaming(ctx, params))
	if err != nil {
		return "", err
	}
	params.Messages = append(params.Messages, called.ToParam())
	for _, c := range called.ToolCalls {
		params.Messages = append(params.Messages, openai.ToolMessage(sunny, c.ID))
	}
	said, err := accumulate(client.Chat.Completions.NewStreaming(ctx, params))
	if err != nil {
		return "", err
	}
	return called.ToolCalls[0].Function.Name + " is " + sunny + ": " + said.Content, nil
}

// chunks is a stream of an answer.
type chunks interface {
	Next() bool
	Current() openai.ChatCompletionChunk
	Err() error
}

func accumulate(stream chunks) (openai.ChatCompletionMessage, error) {
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		if !all.AddChunk(stream.Current()) {
			return openai.ChatCompletionMessage{}, errors.New("a chunk belongs to no answer")
		}
	}
	if err := stream.Err(); err != nil {
		return openai.ChatCompletionMessage{}, err
	}
	return all.Choices[0].Message, nil
}

func chatObject(ctx context.Context) (string, error) {
	client := newOpenAI()
	params := chatParams()
	params.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &openai.ResponseFormatJSONSchemaParam{
		JSONSchema: openai.ResponseFormatJSONSchemaJSONSchemaParam{Name: "story", Schema: schema("title"), Strict: openai.Bool(true)},
	}}
	answer, err := client.Chat.Completions.New(ctx, params)
	if err != nil {
		return "", err
	}
	return parseStory(answer.Choices[0].Message.Content)
}

func responseParams() responses.ResponseNewParams {
	return responses.ResponseNewParams{Model: openaiModel, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(prompt)}}
}

func respond(ctx context.Context) (string, error) {
	client := newOpenAI()
	answer, err := client.Responses.New(ctx, responseParams())
	if err != nil {
		return "", err
	}
	return answer.OutputText(), nil
}

func respondStream(ctx context.Context) (text string, _ error) {
	client := newOpenAI()
	stream := client.Responses.NewStreaming(ctx, responseParams())
	for stream.Next() {
		if event := stream.Current(); event.Type == "response.output_text.delta" {
			text += event.Delta
		}
	}
	return text, stream.Err()
}

// respondTool makes the model call a tool, and sends it the result.
func respondTool(ctx context.Context) (string, error) {
	client := newOpenAI()
	params := responseParams()
	params.Tools = []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{
		Name: weather, Description: openai.String(weatherDescription), Parameters: schema("city"), Strict: openai.Bool(true),
	}}}
	called, err := client.Responses.New(ctx, params)
	if err != nil {
		return "", err
	}
	items := []responses.ResponseInputItemUnionParam{responses.ResponseInputItemParamOfMessage(prompt, responses.EasyInputMessageRoleUser)}
	name := ""
	for _, item := range called.Output {
		if item.Type != "function_call" {
			continue
		}
		name = item.Name
		output := responses.ResponseInputItemParamOfFunctionCallOutput(sunny)
		output.OfFunctionCallOutput.CallID = openai.String(item.CallID)
		items = append(items, responses.ResponseInputItemParamOfFunctionCall(item.AsFunctionCall().Arguments, item.CallID, item.Name), output)
	}
	params.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: items}
	said, err := client.Responses.New(ctx, params)
	if err != nil {
		return "", err
	}
	return name + " is " + sunny + ": " + said.OutputText(), nil
}

func respondObject(ctx context.Context) (string, error) {
	client := newOpenAI()
	params := responseParams()
	params.Text = responses.ResponseTextConfigParam{Format: responses.ResponseFormatTextConfigParamOfJSONSchema("story", schema("title"))}
	answer, err := client.Responses.New(ctx, params)
	if err != nil {
		return "", err
	}
	return parseStory(answer.OutputText())
}

func compact(ctx context.Context) (string, error) {
	client := newOpenAI()
	short, err := client.Responses.Compact(ctx, responses.ResponseCompactParams{
		Model: openaiModel, Input: responses.ResponseCompactParamsInputUnion{OfString: openai.String(prompt)},
	})
	if err != nil {
		return "", err
	}
	return short.Output[len(short.Output)-1].Type, nil
}

func embed(ctx context.Context) (string, error) {
	client := newOpenAI()
	answer, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{
		Model: openai.EmbeddingModelTextEmbedding3Small, Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("one two three")},
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d numbers", len(answer.Data[0].Embedding)), nil
}
