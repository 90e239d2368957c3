package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
)

// wholeMessage is a message that is one JSON object.
func wholeMessage(v any) Plain {
	return Plain{ContentType: "application/json", Body: messageJSON(v)}
}

// streamedMessage is a message that is a stream of events.
type streamedMessage struct{ bytes.Buffer }

// event adds an event; without a name it has data alone.
func (m *streamedMessage) event(name string, data any) {
	if name != "" {
		fmt.Fprintf(m, "event: %s\n", name)
	}
	fmt.Fprintf(m, "data: %s\n\n", messageJSON(data))
}

func (m *streamedMessage) plain() Plain {
	return Plain{ContentType: "text/event-stream; charset=utf-8", Body: m.Bytes()}
}

func messageJSON(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("protocol: a message is always JSON: %v", err)) // strings and numbers
	}
	return body
}

// with is a copy of an object with more members, given as alternating names and values.
func with(object map[string]any, more ...any) map[string]any {
	object = maps.Clone(object)
	for i := 0; i < len(more); i += 2 {
		object[more[i].(string)] = more[i+1]
	}
	return object
}
