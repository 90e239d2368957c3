package analysis

import (
	"cmp"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// host is what is known of a provider's host: the paths that endpoints at it may have, by
// protocol, the usual one first. silent is whether its answers do not say what a call costs.
type host struct {
	paths  map[limiterv1.Protocol][]string
	silent bool
}

// hosts are the hosts of providers that want a key from everybody, and are paid.
var hosts = map[string]host{
	"api.openai.com":    {silent: true, paths: map[limiterv1.Protocol][]string{limiterv1.OpenAI: {"/v1"}}},
	"api.anthropic.com": {silent: true, paths: map[limiterv1.Protocol][]string{limiterv1.Anthropic: {"/v1"}, limiterv1.OpenAI: {"/v1"}}},
	"generativelanguage.googleapis.com": {silent: true, paths: map[limiterv1.Protocol][]string{
		limiterv1.Gemini: {"/v1beta", "/v1", "/v1alpha"}, limiterv1.OpenAI: {"/v1beta/openai"},
	}},
	"ai-gateway.vercel.sh": {paths: map[limiterv1.Protocol][]string{
		limiterv1.OpenAI: {"/v1"}, limiterv1.Anthropic: {"/v1"}, limiterv1.VercelAIGateway: {""},
	}},
	"openrouter.ai":     {paths: map[limiterv1.Protocol][]string{limiterv1.OpenAI: {"/api/v1"}, limiterv1.Anthropic: {"/api/v1"}}},
	"api.mistral.ai":    {silent: true, paths: map[limiterv1.Protocol][]string{limiterv1.OpenAI: {"/v1"}}},
	"api.groq.com":      {silent: true, paths: map[limiterv1.Protocol][]string{limiterv1.OpenAI: {"/openai/v1"}}},
	"api.x.ai":          {paths: map[limiterv1.Protocol][]string{limiterv1.OpenAI: {"/v1"}, limiterv1.Anthropic: {"/v1"}}},
	"api.deepseek.com":  {silent: true, paths: map[limiterv1.Protocol][]string{limiterv1.OpenAI: {"/v1", ""}, limiterv1.Anthropic: {"/anthropic/v1"}}},
	"api.perplexity.ai": {paths: map[limiterv1.Protocol][]string{limiterv1.OpenAI: {"", "/v1"}}},
	"api.fireworks.ai":  {silent: true, paths: map[limiterv1.Protocol][]string{limiterv1.OpenAI: {"/inference/v1"}}},
	"api.together.xyz":  {silent: true, paths: map[limiterv1.Protocol][]string{limiterv1.OpenAI: {"/v1"}}},
	"api.deepinfra.com": {paths: map[limiterv1.Protocol][]string{limiterv1.OpenAI: {"/v1/openai"}}},
	"api.cohere.ai":     {silent: true, paths: map[limiterv1.Protocol][]string{limiterv1.OpenAI: {"/compatibility/v1"}}},
	"dashscope.aliyuncs.com": {silent: true, paths: map[limiterv1.Protocol][]string{
		limiterv1.OpenAI: {"/compatible-mode/v1"},
	}},
}

// called are what calls add to an endpoint, by protocol, so that it must not be written there.
var called = map[limiterv1.Protocol]*regexp.Regexp{
	limiterv1.OpenAI:          regexp.MustCompile(`/(chat(/completions)?|completions|responses|embeddings|moderations|models)$`),
	limiterv1.Anthropic:       regexp.MustCompile(`/(messages|complete|models)$`),
	limiterv1.Gemini:          regexp.MustCompile(`/models(/.*)?$`),
	limiterv1.AzureOpenAI:     regexp.MustCompile(`/deployments(/.*)?$`),
	limiterv1.VercelAIGateway: regexp.MustCompile(`(/v[0-9]+)?(/ai)?(/(language|embedding)-model)?$`),
}

var version = regexp.MustCompile(`/v[0-9]+((alpha|beta)[0-9]*)?$`)

// versionTwice is a version that follows another one.
var versionTwice = regexp.MustCompile(`(/v[0-9]+)/v[0-9]+$`)

func protocolOf(spec v1alpha1.ModelProviderSpec) limiterv1.Protocol {
	return limiterv1.Protocol(cmp.Or(spec.Protocol, string(limiterv1.OpenAI)))
}

// endpoint finds what is odd in where a provider is, and in the key for it.
func (f *found) endpoint(spec v1alpha1.ModelProviderSpec) {
	at, err := url.Parse(spec.Endpoint)
	if err != nil || at.Host == "" {
		return // which is not accepted
	}
	path := field.NewPath("spec", "endpoint")
	protocol := protocolOf(spec)
	name := strings.ToLower(at.Hostname())
	known, isKnown := hosts[name]
	if better, why := betterPath(protocol, known, strings.TrimSuffix(at.Path, "/")); why != "" {
		at.Path = better
		f.warn(path, "%s: write %q", why, at)
	} else if isKnown && len(known.paths[protocol]) == 0 {
		f.warn(field.NewPath("spec", "protocol"), "%s does not speak %s; write %s", name, protocol, speaks(known))
	}
	if at.Scheme == "http" && spec.CredentialFile != "" && isPublic(name) {
		f.warn(path, "http sends the provider's key unencrypted to %s: write https", name)
	}
	if isKnown && spec.CredentialFile == "" {
		f.warn(field.NewPath("spec", "credentialFile"), "%s refuses calls without a key: name the file that contains it", name)
	}
	if isKnown && known.silent && spec.CostReported {
		f.warn(field.NewPath("spec", "costReported"), "answers of %s do not say what a call costs, so each call is charged its whole hold: leave it out", name)
	}
}

// betterPath is the path that an endpoint should have, and why; empty if the one that it has
// is as good as any.
func betterPath(protocol limiterv1.Protocol, known host, path string) (better, why string) {
	usual := known.paths[protocol]
	if slices.Contains(usual, path) {
		return path, ""
	}
	rest := called[protocol].ReplaceAllString(path, "")
	switch {
	case len(usual) > 0:
		return usual[0], "is not where this provider's API is"
	case rest != path:
		return rest, "has a path that calls add themselves"
	case versionTwice.MatchString(path):
		return versionTwice.ReplaceAllString(path, "$1"), "has a version twice"
	case len(known.paths) > 0:
		return path, ""
	}
	switch {
	case protocol == limiterv1.OpenAI && path == "", protocol == limiterv1.Anthropic && !version.MatchString(path):
		return path + "/v1", "has no version"
	case protocol == limiterv1.Gemini && !version.MatchString(path) && !strings.HasSuffix(path, "/publishers/google"):
		return path + "/v1beta", "has no version"
	case protocol == limiterv1.AzureOpenAI && !strings.HasSuffix(path, "/openai"):
		return "/openai", "does not end in /openai, after which calls add /deployments"
	}
	return path, ""
}

// speaks are the protocols of a host, in words.
func speaks(known host) string {
	var names []string
	for _, protocol := range limiterv1.Protocols() {
		if len(known.paths[protocol]) > 0 {
			names = append(names, string(protocol))
		}
	}
	return strings.Join(names, " or ")
}

// hostOf is the host of an endpoint.
func hostOf(endpoint string) string {
	at, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return strings.ToLower(at.Hostname())
}

// isPublic is whether a host is neither in the cluster nor on a private network, as far as its
// name tells.
func isPublic(name string) bool {
	if ip := net.ParseIP(name); ip != nil {
		return !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast()
	}
	for _, private := range []string{".svc", ".local", ".internal", ".localhost", ".lan", ".home.arpa"} {
		if strings.HasSuffix(name, private) {
			return false
		}
	}
	return strings.Contains(name, ".")
}
