package protocol

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	_ "image/gif"  // the images whose size is read
	_ "image/jpeg" // the same
	_ "image/png"  // the same
	"net/url"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// GenerateContent is the Gemini API's generateContent, or streamGenerateContent,
// which is always a stream of server-sent events here ("?alt=sse").
type GenerateContent struct{ Streamed bool }

// Protocol is Gemini.
func (GenerateContent) Protocol() Protocol { return Gemini{} }

// Path is where clients find the API.
func (g GenerateContent) Path() string { return "/v1beta/models/" + wildcard + ":" + g.method() }

func (g GenerateContent) method() string {
	if g.Streamed {
		return "streamGenerateContent"
	}
	return "generateContent"
}

// Operation is generate_content.
func (GenerateContent) Operation() string { return "generate_content" }

// Read reads a request.
func (g GenerateContent) Read(in Incoming) (ParsedRequest, error) {
	alt := in.Query["alt"]
	if g.Streamed && (len(alt) != 1 || alt[0] != "sse") {
		return nil, unsupported("alt", `use "?alt=sse" for a stream`)
	}
	if !g.Streamed && len(alt) > 0 && (len(alt) > 1 || alt[0] != "json") {
		return nil, unsupported("alt", `use "json"`)
	}
	r, err := readGenerate(in.Body)
	if err != nil {
		return nil, err
	}
	r.api, r.model = g, in.Model
	if r.named.given() && strings.TrimPrefix(r.named.value.Str, modelsPrefix) != r.model {
		return nil, unsupported("model", "the model is named in the path")
	}
	return r, nil
}

// modelsPrefix is before the name of a model in the body of a request, where it may stand,
// too.
const modelsPrefix = "models/"

// maxCandidates is the most answers that Gemini gives to one request.
const maxCandidates = 8

// generateRequest is a generateContent request that was read.
type generateRequest struct {
	unpriced
	api        GenerateContent
	model      string
	body       []byte
	config     member
	maxTokens  int64
	candidates int64
	input      input
	tier       serviceTier
	// named is the model as the body names it, if it does, and searches whether a search is
	// asked for.
	named    member
	searches bool
}

func readGenerate(body []byte) (*generateRequest, *RequestError) {
	root, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	r := &generateRequest{body: body, config: member{name: "generationConfig"}, candidates: 1}
	contents, system, tools := member{name: "contents"}, member{name: "systemInstruction"}, member{name: "tools"}
	cached, tier, model := member{name: "cachedContent"}, member{name: "serviceTier"}, member{name: "model"}
	if err := readProtoMembers(root, &r.config, &contents, &system, &tools, &cached, &tier, &model); err != nil {
		return nil, err
	}
	if r.unpriced, err = generateAllowed.check(root); err != nil {
		return nil, err
	}
	r.named = model
	if cached.given() {
		r.input.only("cached content")
	}
	if !contents.value.IsArray() && !contents.value.IsObject() {
		return nil, wrong("contents", "must be an array of Content objects")
	}
	if r.tier, err = readGoogleTier(&tier); err != nil {
		return nil, err
	}
	for _, err := range []*RequestError{
		r.readConfig(), r.readTools(&tools), oneOrEach(contents.value, "contents", r.readContent), r.readSystem(&system),
	} {
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// readProtoMembers is readMembers for an API whose JSON is that of Protocol Buffers,
// in which a member may be written in camel case and in snake case.
func readProtoMembers(object gjson.Result, members ...*member) *RequestError {
	var err *RequestError
	object.ForEach(func(key, value gjson.Result) bool {
		name := key.Str
		for _, m := range members {
			if strings.Contains(name, "_") && name == snakeCase(m.name) {
				name = m.name
			} else if strings.EqualFold(strings.ReplaceAll(name, "_", ""), m.name) && name != m.name {
				err = wrong(key.Str, "is not a parameter: use %q", m.name)
				return false
			}
		}
		err = readMember(name, value, members)
		return err == nil
	})
	return err
}

func snakeCase(camel string) string {
	var snake strings.Builder
	for _, c := range camel {
		if c >= 'A' && c <= 'Z' {
			snake.WriteByte('_')
			c += 'a' - 'A'
		}
		snake.WriteRune(c)
	}
	return snake.String()
}

// oneOrEach reads an object, or each element of an array: one object may stand for an array of it.
func oneOrEach(value gjson.Result, name string, read func(gjson.Result) *RequestError) *RequestError {
	if value.IsArray() {
		return eachOf(value, name, read)
	}
	if err := read(value); err != nil {
		return err.within(name)
	}
	return nil
}

// readGoogleTier reads a service tier, which may be written in capitals.
func readGoogleTier(tier *member) (serviceTier, *RequestError) {
	asked, err := readTier(tier)
	if err == nil && tier.given() {
		asked = tierAsked(strings.ToLower(strings.TrimPrefix(tier.value.Str, "SERVICE_TIER_")))
	}
	return asked, err
}

func (r *generateRequest) readConfig() (err *RequestError) {
	if !r.config.given() {
		return nil
	}
	if !r.config.value.IsObject() {
		return wrong("generationConfig", "must be an object")
	}
	maxTokens, candidates := member{name: "maxOutputTokens"}, member{name: "candidateCount"}
	err = readProtoMembers(r.config.value, &maxTokens, &candidates)
	if err == nil {
		r.maxTokens, err = maxTokens.integer(1, maxOutputTokens, 0)
	}
	if err == nil {
		r.candidates, err = candidates.integer(1, maxCandidates, 1)
	}
	if err != nil {
		return err.within("generationConfig")
	}
	return nil
}

// readTools reads a tool, or several, whose members generateAllowed are allowed by.
func (r *generateRequest) readTools(tools *member) *RequestError {
	if !tools.given() {
		return nil
	}
	return oneOrEach(tools.value, tools.name, func(tool gjson.Result) *RequestError {
		if !tool.IsObject() {
			return wrong("", "must be an object")
		}
		search := member{name: "googleSearch"}
		err := readProtoMembers(tool, &search)
		r.searches = r.searches || search.given()
		return err
	})
}

func (r *generateRequest) readSystem(system *member) *RequestError {
	switch {
	case !system.given():
		return nil
	case !system.value.IsObject():
		return wrong("systemInstruction", "must be a Content object")
	}
	if err := r.readContent(system.value); err != nil {
		return err.within("systemInstruction")
	}
	return nil
}

func (r *generateRequest) readContent(content gjson.Result) *RequestError {
	parts := member{name: "parts"}
	if !content.IsObject() {
		return wrong("", "must be an object")
	}
	if err := readProtoMembers(content, &parts); err != nil {
		return err
	}
	if !parts.given() {
		return nil
	}
	return oneOrEach(parts.value, "parts", r.readPart)
}

func (r *generateRequest) readPart(part gjson.Result) *RequestError {
	if !part.IsObject() {
		return wrong("", "must be an object")
	}
	data, file, response := member{name: "inlineData"}, member{name: "fileData"}, member{name: "functionResponse"}
	if err := readProtoMembers(part, &data, &file, &response); err != nil {
		return err
	}
	if file.given() {
		r.input.only("a file")
	}
	if response.given() {
		parts := member{name: "parts"}
		if err := readProtoMembers(response.value, &parts); err != nil {
			return err.within("functionResponse")
		}
		if parts.given() {
			return oneOrEach(parts.value, "functionResponse.parts", r.readPart)
		}
	}
	if data.given() {
		return r.readData(data.value)
	}
	return nil
}

// readData reads what is given in base64: an image is known by its size, text is no
// longer than its base64, and all else only the context window bounds.
func (r *generateRequest) readData(blob gjson.Result) *RequestError {
	kind, data := member{name: "mimeType"}, member{name: "data"}
	if err := readProtoMembers(blob, &kind, &data); err != nil {
		return err.within("inlineData")
	}
	media := strings.ToLower(kind.value.Str)
	switch {
	case strings.HasPrefix(media, "text/"):
	case strings.HasPrefix(media, "audio/"):
		r.input.recording()
	case strings.HasPrefix(media, "image/"):
		tokens, ok := geminiImageTokens(data.value.Str)
		if !ok {
			r.input.only("an image of unknown size")
		}
		r.input.extra += tokens
		r.input.encoded += int64(len(data.value.Raw))
	default:
		r.input.only("a file")
	}
	return nil
}

// What Gemini's guide to tokens gives for images: 258 tokens for one of up to 384
// pixels a side, and for a larger one as much a tile, whose side is two thirds of the
// image's shorter one, and at most 768; the models after those take a fixed number,
// of which this is the highest.
const (
	tileTokens  = 258
	fixedTokens = 2240
)

// geminiImageTokens is the most tokens that an image is, if its size can be read.
func geminiImageTokens(encoded string) (int64, bool) {
	encoding := base64.StdEncoding
	if strings.ContainsAny(encoded[:min(len(encoded), 4096)], "-_") {
		encoding = base64.URLEncoding
	}
	config, _, err := image.DecodeConfig(base64.NewDecoder(encoding, strings.NewReader(encoded)))
	if err != nil || config.Width < 1 || config.Height < 1 {
		return 0, false
	}
	side := max(1, min(768, min(config.Width, config.Height)*2/3))
	tiles := int64((config.Width+side-1)/side) * int64((config.Height+side-1)/side)
	return max(fixedTokens, tileTokens*tiles), true
}

func (r *generateRequest) Model() string  { return r.model }
func (r *generateRequest) Streamed() bool { return r.api.Streamed }

func (r *generateRequest) For(model limiterv1.Model, limits OutputLimits) (BoundedCall, error) {
	output, err := limits.within(model, r.maxTokens, "generationConfig.maxOutputTokens")
	if err != nil {
		return BoundedCall{}, err
	}
	bound, err := r.bound(model, output.Tokens)
	if err != nil {
		return BoundedCall{}, err
	}
	cost, err := dearest(model, bound, r.tier)
	if err != nil {
		return BoundedCall{}, err
	}
	path := "/models/" + url.PathEscape(model.UpstreamName) + ":" + r.api.method()
	if r.api.Streamed {
		path += "?alt=sse"
	}
	candidates := r.candidates // answers must not hold the request
	usage := generateUsage{bill: newBill(model, r.tier), searches: bound.Uses != ""}
	seen := generateSeen{seen{outlook: generateOutlook(bound, model)}}
	return BoundedCall{
		Path: path, Body: func() []byte { return r.rewritten(output.Tokens, model) }, Output: output, Bound: bound, Cost: cost,
		Dearest: dearestOf(model, r.tier, bound.Uses), Hidden: seen.hidden,
		Whole:  func() Answer { return newWholeGenerated(usage) },
		Stream: func() Answer { return newGenerateStream(candidates, usage, seen) },
	}, nil
}

// bound is the most that the call can use. A search, for which the model has a fee, may have
// the model read more than the request has.
func (r *generateRequest) bound(model limiterv1.Model, output int64) (price.Usage, *RequestError) {
	in, searches := r.input, r.searches && model.Prices.Charges(googleSearchFee)
	if searches {
		in.only("a tool that the provider runs")
	}
	bound, err := in.usage(r.body, model, unknownImage, output*r.candidates)
	if searches {
		bound.Uses = oneSearch
	}
	return bound, err
}

// rewritten is the body for the provider: it bounds the output, and names the model as the
// provider does, where it names one.
func (r *generateRequest) rewritten(output int64, model limiterv1.Model) []byte {
	changed := rewrite{body: r.body}
	if output != r.maxTokens {
		config := []byte("{}")
		if r.config.given() {
			config = []byte(r.config.value.Raw)
		}
		for _, name := range []string{"max_output_tokens", "maxOutputTokens"} {
			config, _ = sjson.DeleteBytes(config, name) // a null, or too much
		}
		config, _ = sjson.SetRawBytes(config, "maxOutputTokens", fmt.Append(nil, output))
		changed.set(&r.config, config)
	}
	if r.named.given() {
		changed.set(&r.named, gjson.AppendJSONString(nil, modelsPrefix+model.UpstreamName))
	}
	return changed.bytes()
}

// generateStream is a streamed answer: chunks, each with the usage so far, of which
// the last one for each candidate says why it is the last. Nothing is changed.
type generateStream struct {
	events     eventStream
	seen       generateSeen
	said       generateUsage
	candidates ends

	cut, blocked, failed bool
	// told is whether the last chunk has a usage, and since whether output has come after the
	// last one.
	told, since bool
}

func newGenerateStream(candidates int64, usage generateUsage, seen generateSeen) *generateStream {
	s := &generateStream{said: usage, candidates: endsOf(candidates), seen: seen}
	s.events = eventStream{arrive: s.seen.arrive, read: s.read, tap: s.seen.chunk}
	return s
}

func (s *generateStream) Pass(chunk []byte) []byte { return s.events.pass(chunk) }
func (s *generateStream) End(cut bool) []byte      { s.cut = cut; return s.events.end(cut) }

// Unfinished is whether the stream ended before the answer did. Nothing else says
// that a stream is at its end than its connection.
func (s *generateStream) Unfinished() bool { return s.cut || s.failed || !s.stopped() }

// stopped is whether every candidate has said why it is at its end. Where none says so, as
// when there are thoughts alone, a usage of output in the last chunk says it.
func (s *generateStream) stopped() bool {
	if s.blocked || s.candidates.all() {
		return true
	}
	total, prompt := s.said.usage.Get("totalTokenCount").Num, s.said.usage.Get("promptTokenCount").Num
	return !s.candidates.any() && s.told && total > prompt
}

// Usage is that of the last chunk, which is the whole when every candidate has
// stopped, and the stream has ended as it should: a later chunk may count more.
func (s *generateStream) Usage() (price.Usage, bool) { return s.reading().usage() }
func (s *generateStream) Doubt() string              { return s.reading().doubt }
func (s *generateStream) AtLeast() price.Usage       { return s.reading().used }

func (s *generateStream) reading() reading {
	if s.Unfinished() {
		return reading{doubt: doubtCut}
	}
	if s.since {
		return s.said.reading().running()
	}
	return s.said.reading()
}

func (s *generateStream) Progress() Progress {
	s.noteEnd()
	return s.seen.progress(s.seen.finished, s.events.open())
}

// noteEnd notes whether no more output is to come. What a frame says that has not come to
// its end was not counted.
func (s *generateStream) noteEnd() {
	s.seen.finished = !s.events.open() && (s.blocked || s.candidates.all())
}

func (s *generateStream) Seen(cut Cut) (price.Usage, bool) {
	if s.said.bill.isPricedApart(s.said.model.Str) {
		return price.Usage{}, false
	}
	s.noteEnd()
	told, ok := s.said.reading().usage()
	return s.seen.most(told, ok, &s.events, cut)
}

var (
	usageMetadataName = []byte(`"usageMetadata"`)
	finishReasonName  = []byte(`"finishReason"`)
	blockReasonName   = []byte(`"blockReason"`)
	errorName         = []byte(`"error"`)
)

func (s *generateStream) read(data []byte) hidden {
	s.told = bytes.Contains(data, usageMetadataName) && s.readUsage(data)
	speaks := (!s.said.spoke || !s.told) && textSign.Match(data)
	s.said.spoke = s.said.spoke || speaks
	s.since = !s.told && (s.since || s.said.usage.Exists() && (speaks || s.seen.frame.spoke))
	s.said.searched = s.said.searched || s.said.searches && searchSign.Match(data)
	if !bytes.Contains(data, finishReasonName) && !bytes.Contains(data, blockReasonName) && !bytes.Contains(data, errorName) {
		return hidden{}
	}
	chunk, err := parseEvent(data)
	if err != nil {
		return hidden{}
	}
	s.failed = s.failed || chunk.Get("error").IsObject()
	s.blocked = s.blocked || chunk.Get("promptFeedback.blockReason").Type == gjson.String
	chunk.Get("candidates").ForEach(func(_, candidate gjson.Result) bool {
		if candidate.Get("finishReason").Type == gjson.String {
			s.candidates.note(candidate.Get("index").Int())
		}
		return true
	})
	return hidden{}
}

// readUsage reads the usage so far, unless it counts less than an earlier one: it is a total.
func (s *generateStream) readUsage(data []byte) bool {
	usage := gjson.GetBytes(data, "usageMetadata")
	if !usage.IsObject() || !gjson.ValidBytes(data) {
		return false
	}
	if model := gjson.GetBytes(data, "modelVersion"); model.Type == gjson.String {
		s.said.model = model
	}
	if isTwice(gjson.ParseBytes(data), "usageMetadata") {
		s.said.wrong = doubtTwice
	}
	if generatedTotal(usage) >= generatedTotal(s.said.usage) {
		s.said.usage = usage
	}
	return true
}

// generatedTotal is how many tokens a usage counts: its total, or its parts where they are more, as
// where it has no total.
func generatedTotal(usage gjson.Result) float64 {
	parts := 0.0
	for _, name := range []string{"promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount"} {
		parts += usage.Get(name).Num
	}
	return max(usage.Get("totalTokenCount").Num, parts)
}

// Problem is the error as JSON between two events, which is where Google's client for Go
// looks for one, and in an event of its own, where the one for JavaScript does: it finds the
// other only where nothing on the way has joined it to what comes before. Other clients take
// neither for an error, so that the connection is to be cut as well.
func (s *generateStream) Problem(body []byte) ([]byte, bool) {
	said := bytes.TrimSpace(body)
	return fmt.Appendf(nil, "\n\n%s\n\ndata: %s\n\n", said, said), true
}

// Message is the answer that says text in every candidate.
func (r *generateRequest) Message(text Text) (Plain, bool) {
	if r.demandsStructure() {
		return Plain{}, false
	}
	candidates := make([]any, r.candidates)
	for i := range candidates {
		candidates[i] = map[string]any{
			"content":      map[string]any{"role": "model", "parts": []any{map[string]any{"text": text.Content}}},
			"finishReason": "STOP", "index": i,
		}
	}
	answer := map[string]any{
		"candidates": candidates, "modelVersion": r.model, "responseId": text.ID,
		"usageMetadata": map[string]int{"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0},
	}
	if !r.api.Streamed {
		return wholeMessage(answer), true
	}
	var m streamedMessage
	m.event("", answer)
	return m.plain(), true
}
