package fakeprovider

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tool is a tool that a request offers, and that its client runs.
type tool struct {
	// kind is function or custom, or the name of a tool that the provider defines.
	kind, name string
	// namespace is the tool's namespace in Responses; empty if it is in none.
	namespace string
	// schema is the JSON Schema of the arguments of a call; custom tools have none.
	schema json.RawMessage
}

// offered is a tool as the requests of the APIs have it, except Gemini's.
type offered struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Parameters  json.RawMessage `json:"parameters"`   // Responses
	InputSchema json.RawMessage `json:"input_schema"` // Messages
	Schema      json.RawMessage `json:"inputSchema"`  // Vercel AI Gateway
	Function    *offered        `json:"function"`     // Chat Completions
	Custom      *offered        `json:"custom"`       // Chat Completions
	Tools       []offered       `json:"tools"`        // a namespace of Responses
}

// offer adds the tools that the client runs. Those that the provider runs are called by directives.
func (r *request) offer(tools []offered) {
	for _, t := range tools {
		for kind, inner := range map[string]*offered{"function": t.Function, "custom": t.Custom} {
			if inner != nil {
				t = *inner
				t.Type = kind
			}
		}
		kind := t.Type
		if kind == "" {
			kind = "function"
		}
		switch {
		case kind == "namespace":
			within := len(r.tools)
			r.offer(t.Tools)
			for i := within; i < len(r.tools); i++ {
				r.tools[i].namespace = t.Name
			}
			continue
		case strings.HasPrefix(kind, "web_"), kind == "image_generation":
			continue
		case t.Name == "":
			t.Name = kind
		}
		r.tools = append(r.tools, tool{kind: kind, name: t.Name, schema: firstOf(t.Parameters, t.InputSchema, t.Schema)})
	}
}

func firstOf(values ...json.RawMessage) json.RawMessage {
	for _, v := range values {
		if len(v) > 0 {
			return v
		}
	}
	return nil
}

// toolCall is a call of a tool in an answer.
type toolCall struct {
	tool
	// arguments are the JSON of an object, or any text for a custom tool.
	arguments string
}

// callOf is the call that an answer makes: of the tool of that name, or of the first one. It
// makes none where there is no tool, or the client has just run one.
func (r *request) callOf(name string) (*toolCall, error) {
	at := slices.IndexFunc(r.tools, func(t tool) bool { return name == "" || t.name == name })
	switch {
	case r.compacts:
		return nil, nil // no tool is called
	case name != "" && at < 0:
		return nil, fmt.Errorf("there is no tool %q to be called", name)
	case at < 0 || r.resumed:
		return nil, nil
	}
	t := r.tools[at]
	if t.kind == "custom" {
		return &toolCall{t, "as asked"}, nil
	}
	return &toolCall{t, string(marshal(example(t.schema)))}, nil
}

// input are the arguments as an object.
func (c *toolCall) input() json.RawMessage { return json.RawMessage(c.arguments) }

// example is a value that satisfies a JSON Schema, as far as clients write them.
func example(schema json.RawMessage) any {
	var s struct {
		Type       any                        `json:"type"`
		Properties map[string]json.RawMessage `json:"properties"`
		Items      json.RawMessage            `json:"items"`
		Enum       []any                      `json:"enum"`
		AnyOf      []json.RawMessage          `json:"anyOf"`
	}
	if json.Unmarshal(schema, &s) != nil {
		return map[string]any{}
	}
	if several, ok := s.Type.([]any); ok && len(several) > 0 {
		s.Type = several[0]
	}
	kind, _ := s.Type.(string)
	switch strings.ToLower(kind) {
	case "string":
		if len(s.Enum) > 0 {
			return s.Enum[0]
		}
		return "text"
	case "number", "integer":
		return 1
	case "boolean":
		return true
	case "array":
		return []any{example(s.Items)}
	}
	if len(s.AnyOf) > 0 {
		return example(s.AnyOf[0])
	}
	object := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		object[name] = example(s.Properties[name])
	}
	return object
}

// structure is the schema of the JSON that an answer must be; nil if it may be any text.
func structure(kind string, schemas ...json.RawMessage) json.RawMessage {
	switch kind {
	case "json_schema", "json_object", "json", "application/json":
		if schema := firstOf(schemas...); schema != nil {
			return schema
		}
		return json.RawMessage(`{"type": "object"}`)
	}
	return nil
}
