package protocol

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/tidwall/gjson"
)

// RequestError is what is wrong with a request.
type RequestError struct {
	// Param is where: a path such as "messages[0].content[1].type"; empty when the
	// request as a whole is meant.
	Param string
	// Unsupported is whether the request asks for something that providers may
	// have, but whose cost is not bounded here.
	Unsupported bool
	// Reason continues the sentence that begins with Param.
	Reason string
}

// Error is a sentence for the caller, who wrote the request.
func (e *RequestError) Error() string {
	subject := e.Param
	if subject == "" {
		subject = "The request body"
	}
	return subject + " " + e.Reason + "."
}

// within is the error seen from the object that holds the place where it is.
func (e *RequestError) within(parent string) *RequestError {
	seen := *e
	switch {
	case e.Param == "":
		seen.Param = parent
	case strings.HasPrefix(e.Param, "["):
		seen.Param = parent + e.Param
	default:
		seen.Param = parent + "." + e.Param
	}
	return &seen
}

func wrong(param, format string, args ...any) *RequestError {
	return &RequestError{Param: param, Reason: fmt.Sprintf(format, args...)}
}

func unsupported(param, reason string) *RequestError {
	return &RequestError{Param: param, Unsupported: true, Reason: "is not supported: " + reason}
}

// maxDepth is how deep a request may nest, or an event of an answer. No honest one comes near; a hostile
// one must not exhaust the stack of a recursive parser.
const maxDepth = 256

// maxValues is how many values a request may have. It bounds the time that reading one takes,
// which is spent before any limit is asked. The most that an honest one has are the tokens
// of texts to embed, of which OpenAI takes 300,000 at once.
const maxValues = 400_000

// parseBody parses the body of a request. The result lies in the body, which must not
// change.
func parseBody(body []byte) (gjson.Result, *RequestError) {
	if !utf8.Valid(body) {
		return gjson.Result{}, wrong("", "is not UTF-8")
	}
	if err := checkShape(body); err != nil {
		return gjson.Result{}, err
	}
	return parseShaped(unsafe.String(unsafe.SliceData(body), len(body)))
}

// parseEvent parses the data of an event, which must be one object. It holds no reference to it.
// REQUIRES: the data is not tooDeep.
func parseEvent(data []byte) (gjson.Result, *RequestError) { return parseShaped(string(data)) }

func parseShaped(json string) (gjson.Result, *RequestError) {
	if !gjson.Valid(json) {
		return gjson.Result{}, wrong("", "is not valid JSON")
	}
	root := gjson.Parse(json)
	if !root.IsObject() {
		return gjson.Result{}, wrong("", "is not a JSON object")
	}
	return root, nil
}

// checkShape refuses JSON that it would take too much to parse.
func checkShape(json []byte) *RequestError {
	switch depth, values := shapeOf(json, maxValues); {
	case depth > maxDepth:
		return wrong("", "nests deeper than %d levels", maxDepth)
	case values > maxValues:
		return wrong("", "has more than %d values", maxValues)
	}
	return nil
}

// tooDeep is whether JSON nests so deep that reading it would take too much. Of an event, the
// number of values does not matter: its length is bounded, and reading it takes time by its length.
func tooDeep(json []byte) bool {
	if len(json) <= maxDepth {
		return false // most events of a stream are short
	}
	depth, _ := shapeOf(json, len(json))
	return depth > maxDepth
}

// shapeOf is how deep objects and arrays nest, and how many values there are, up to where
// the depth is more than maxDepth, or the values are more than mostValues. The JSON may be invalid.
func shapeOf(json []byte, mostValues int) (deepest, values int) {
	depth := 0
	for i := 0; i < len(json); i++ {
		switch json[i] {
		case '{', '[':
			values++
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth = max(depth-1, 0)
		case ',':
			values++
		case '"':
			i = endOfString(json, i)
		}
		if deepest > maxDepth || values > mostValues {
			return deepest, values
		}
	}
	return deepest, values
}

// endOfString is the index of the quote that ends the string that starts at i; the length of the JSON if
// there is none. Most of what is sent to a model lies in long strings.
func endOfString(json []byte, i int) int {
	for {
		next := bytes.IndexByte(json[i+1:], '"')
		if next < 0 {
			return len(json)
		}
		begin := i + 1
		i = begin + next
		if before := json[begin:i]; (len(before)-len(bytes.TrimRight(before, `\`)))%2 == 0 {
			return i // an even number of backslashes escapes one another, and not the quote
		}
	}
}

// member is a member of an object that matters to what a call does or costs.
type member struct {
	name  string
	value gjson.Result
	seen  bool
}

// given is whether the member is there and not null, which providers take for absent.
func (m *member) given() bool { return m.seen && m.value.Type != gjson.Null }

// readMembers finds the members of an object. It refuses the object when one of
// them comes twice, or in another case: parsers differ in which they then take,
// and what is bounded here must be what the provider does.
func readMembers(object gjson.Result, members ...*member) *RequestError {
	var err *RequestError
	object.ForEach(func(key, value gjson.Result) bool {
		err = readMember(key.Str, value, members)
		return err == nil
	})
	return err
}

func readMember(key string, value gjson.Result, members []*member) *RequestError {
	ascii := isASCII(key)
	for _, m := range members {
		switch {
		case ascii && len(key) != len(m.name), !strings.EqualFold(key, m.name): // names are ASCII
			continue
		case key != m.name:
			return wrong(key, "is not a parameter: use %q", m.name)
		case m.seen:
			return wrong(key, "is given twice")
		}
		m.value, m.seen = value, true
		return nil
	}
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// modelName reads a member that is the name of a model.
func (m *member) modelName() *RequestError {
	if m.value.Type != gjson.String || m.value.Str == "" {
		return wrong(m.name, "must be the name of a model")
	}
	return nil
}

// typeOf is the type of an object that says what it is.
func typeOf(object gjson.Result) (string, *RequestError) {
	if !object.IsObject() {
		return "", wrong("", "must be an object")
	}
	kind := member{name: "type"}
	if err := readMembers(object, &kind); err != nil {
		return "", err
	}
	if kind.given() && kind.value.Type != gjson.String {
		return "", wrong("type", "must be a string")
	}
	return kind.value.Str, nil
}

// bool reads a member that is true or false; absent is false.
func (m *member) bool() (bool, *RequestError) {
	if m.given() && !m.value.IsBool() {
		return false, wrong(m.name, "must be true or false")
	}
	return m.value.Bool(), nil
}

// asOutput is the error of a bound of output. Providers take 0 for no bound, for no output, or
// for an error.
func (m *member) asOutput(err *RequestError) *RequestError {
	if m.value.Raw == "0" || strings.HasPrefix(m.value.Raw, "-") {
		return wrong(m.name, "must be a whole number of at least 1: leave it out to get as much as the model gives")
	}
	return err
}

// integer reads a member that is a whole number between low and high, written in
// digits alone, or with zeros behind a point; absent is fallback.
func (m *member) integer(low, high, fallback int64) (int64, *RequestError) {
	if !m.given() {
		return fallback, nil
	}
	n, ok := wholeNumber(m.value)
	if digits, zeros, point := strings.Cut(m.value.Raw, "."); point && zeros != "" && strings.Trim(zeros, "0") == "" && m.value.Type == gjson.Number {
		n, ok = wholeNumber(gjson.Result{Type: gjson.Number, Raw: digits})
	}
	if !ok || n < low || n > high {
		return 0, wrong(m.name, "must be a whole number between %d and %d", low, high)
	}
	return n, nil
}

// wholeNumber reads a number that is written in digits alone.
func wholeNumber(value gjson.Result) (int64, bool) {
	n, err := strconv.ParseUint(value.Raw, 10, 63)
	return int64(n), err == nil && value.Type == gjson.Number
}

// rewrite is a body that is being changed here and there; all the rest of it
// stays as it is, byte by byte.
type rewrite struct {
	body  []byte
	edits []edit
}

// edit replaces body[start:end] by text.
type edit struct {
	start, end int
	text       []byte
}

// set gives a member of the object that is the body a value in JSON. REQUIRES:
// the object has a member, and each is set once.
func (r *rewrite) set(m *member, value []byte) { r.setWithin(bytes.IndexByte(r.body, '{'), m, value) }

// setWithin is the same of an object that begins there in the body.
func (r *rewrite) setWithin(object int, m *member, value []byte) {
	e := edit{m.value.Index, m.value.Index + len(m.value.Raw), value}
	if !m.seen {
		first := object + 1
		e = edit{first, first, fmt.Appendf(nil, "%q:%s,", m.name, value)}
	}
	r.edits = append(r.edits, e)
}

// bytes is the body with its changes.
func (r *rewrite) bytes() []byte {
	if len(r.edits) == 0 {
		return r.body
	}
	slices.SortStableFunc(r.edits, func(a, b edit) int { return a.start - b.start })
	out := make([]byte, 0, len(r.body)+256)
	at := 0
	for _, e := range r.edits {
		out = append(append(out, r.body[at:e.start]...), e.text...)
		at = e.end
	}
	return append(out, r.body[at:]...)
}
