package proxy_test

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	apiidentity "github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/identity/identify"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// project is one that the door's IdentityProvider trusts, with a member of acme in it.
func newProject(t testing.TB) *issuer.StackAuth {
	t.Helper()
	project, err := issuer.NewStackAuth("https://api.stack-auth.com", "f3f0")
	testkit.Must(t, err)
	return project
}

// trust has the door trust a project's regular users, as an IdentityProvider says, and
// makes ana a member of acme.
func (d *door) trust(project *issuer.StackAuth) {
	d.t.Helper()
	compiled, err := apiidentity.Compile(limiterv1.IdentityProvider{
		Name: "stack-auth", Issuers: []string{project.Issuer(issuer.Regular)}, Audiences: []string{project.Project},
		Algorithms: []string{"ES256", "RS256"}, Keys: project.Keys(issuer.Regular), Leeway: 60_000,
		Mappings: limiterv1.ClaimMappings{User: limiterv1.ClaimMapping{Claim: "sub"}},
	})
	testkit.Must(d.t, err)
	d.config.issuers.Store(project.Issuer(issuer.Regular), &identify.Issuer{Issuer: compiled, Replaced: make(chan struct{})})
	d.config.members.Put(limiterv1.Members{
		Name: "acme/people", Tenant: "acme", Provider: "stack-auth", Members: []limiterv1.Member{{Subject: "ana", Tier: "gerente"}},
	})
}

// callWith calls with a credential in Authorization.
func (d *door) callWith(credential string) reply {
	d.t.Helper()
	request := d.request(http.MethodPost, "/v1/chat/completions", chat)
	request.Header.Set("Authorization", "Bearer "+credential)
	return d.do(request)
}

// TestTokens: a call with a token is counted for the user that the token names.
func TestTokens(t *testing.T) {
	d := newDoor(t, whole(200, answer))
	project := newProject(t)
	d.trust(project)
	got := d.callWith(project.Token(issuer.Regular, "ana", "ana@example.com", time.Now(), nil))
	if got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	entry, _ := d.ending()
	if entry.Tenant != "acme" || entry.User != "ana" || entry.Tier != "gerente" || entry.Credential != "" ||
		entry.IdentityProvider != "stack-auth" || entry.Subject != "ana" {
		t.Errorf("the ledger has %+v", entry)
	}
}

// TestAttacksOnTokens: no forged token is admitted, and the provider is not called.
func TestAttacksOnTokens(t *testing.T) {
	t.Parallel()
	var called atomic.Int64
	d := newDoor(t, func(http.ResponseWriter, *http.Request) { called.Add(1) })
	project := newProject(t)
	d.trust(project)
	tokens := attacks(t, project)
	if len(tokens) < 60 {
		t.Errorf("%d attacks, want 60", len(tokens))
	}
	for name, token := range tokens {
		for field, value := range map[string]string{"Authorization": "Bearer " + token, "X-Api-Key": token} {
			request := d.request(http.MethodPost, "/v1/chat/completions", chat)
			request.Header.Del("Authorization")
			request.Header.Set(field, value)
			got := d.do(request)
			// Fields with line feeds are no fields: the client does not send them.
			if got.err == nil && got.status != http.StatusUnauthorized && got.status != http.StatusForbidden &&
				got.status != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%s in %s: got %d %s", name, field, got.status, got.body)
			}
			if strings.Contains(got.body, project.Project) || strings.Contains(got.body, "ES256") || strings.Contains(got.body, "acme") {
				t.Errorf("%s in %s: a stranger is told %s", name, field, got.body)
			}
		}
	}
	if n := called.Load(); n > 0 {
		t.Errorf("the provider was called %d times", n)
	}
	if n := len(d.ledger.all()); n > 0 {
		t.Errorf("%d calls were admitted", n)
	}
}

// attacks are tokens that nobody who is honest makes, by what is wrong with them.
func attacks(t testing.TB, project *issuer.StackAuth) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, group := range []map[string]string{
		attacksOnAlgorithm(t, project), attacksOnKey(t, project), attacksOnClaims(t, project), attacksOnForm(t, project),
	} {
		maps.Copy(all, group)
	}
	return all
}

func encode(part any) string {
	if text, ok := part.(string); ok {
		return base64.RawURLEncoding.EncodeToString([]byte(text))
	}
	encoded, _ := json.Marshal(part) // maps of texts and numbers
	return base64.RawURLEncoding.EncodeToString(encoded)
}

// honest are the claims of a token of ana's.
func honest(project *issuer.StackAuth) map[string]any {
	return project.Claims(issuer.Regular, "ana", "ana@example.com", time.Now())
}

// attacksOnAlgorithm sign by no algorithm, or by one of the attacker's choice.
func attacksOnAlgorithm(t testing.TB, project *issuer.StackAuth) map[string]string {
	t.Helper()
	key := project.Key(issuer.Regular)
	public := key.Public()
	der, err := x509.MarshalPKIXPublicKey(public.Key)
	testkit.Must(t, err)
	jwk, err := public.MarshalJSON()
	testkit.Must(t, err)
	claims := honest(project)
	attacks := map[string]string{}
	for _, none := range []string{"none", "None", "NONE", "nOnE", "", "null"} {
		header := map[string]any{"alg": none, "kid": key.ID}
		attacks["alg "+none] = encode(header) + "." + encode(claims) + "."
		attacks["alg "+none+" with a signature"] = key.SignRaw(header, mustMarshal(claims))
	}
	for name, secret := range map[string][]byte{
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "DER": der, "JWK": jwk, "set": project.Keys(issuer.Regular), "nothing": nil,
	} {
		input := encode(map[string]any{"alg": "HS256", "kid": key.ID}) + "." + encode(claims)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		attacks["HS256 with the public key as "+name] = input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	for _, algorithm := range []string{"HS384", "HS512", "ES384", "ES256K", "PS256", "EdDSA", "RS1", "RSA-OAEP", "dir"} {
		attacks["alg "+algorithm+" over a signature of ES256"] = key.SignRaw(map[string]any{"alg": algorithm, "kid": key.ID}, mustMarshal(claims))
	}
	attacks["alg is a list"] = key.SignParts([]byte(`{"alg":["ES256","none"],"kid":"`+key.ID+`"}`), mustMarshal(claims))
	attacks["alg twice"] = key.SignParts([]byte(`{"alg":"none","alg":"ES256","kid":"`+key.ID+`"}`), mustMarshal(claims))
	attacks["no alg"] = key.SignRaw(map[string]any{"kid": key.ID}, mustMarshal(claims))
	attacks["crit that nobody knows"] = key.SignRaw(map[string]any{"alg": "ES256", "kid": key.ID, "crit": []string{"exp"}, "exp": 1}, mustMarshal(claims))
	attacks["b64 false"] = key.SignRaw(map[string]any{"alg": "ES256", "kid": key.ID, "crit": []string{"b64"}, "b64": false}, mustMarshal(claims))
	return attacks
}

// attacksOnKey sign with a key of the attacker's, and have the token say where it is.
func attacksOnKey(t testing.TB, project *issuer.StackAuth) map[string]string {
	t.Helper()
	real := project.Key(issuer.Regular).ID
	own, err := issuer.NewKey(real, jose.ES256)
	testkit.Must(t, err)
	rsa, err := issuer.NewKey(real, jose.RS256)
	testkit.Must(t, err)
	elsewhere, err := issuer.NewStackAuth("https://api.stack-auth.com", "0bad")
	testkit.Must(t, err)
	claims := honest(project)
	attacks := map[string]string{
		"own key under the real kid":           own.Sign(claims),
		"own RSA key under the real kid":       rsa.Sign(claims),
		"another project's key":                elsewhere.Key(issuer.Regular).Sign(claims),
		"another project's token":              elsewhere.Token(issuer.Regular, "ana", "ana@example.com", time.Now(), nil),
		"another project's, for this audience": elsewhere.Token(issuer.Regular, "ana", "", time.Now(), map[string]any{"aud": project.Project}),
		"the key of anonymous users":           project.Key(issuer.Anonymous).Sign(claims),
		"an anonymous user":                    project.Token(issuer.Anonymous, "ana", "", time.Now(), nil),
		"a restricted user":                    project.Token(issuer.Restricted, "ana", "", time.Now(), nil),
		"an anonymous user, for this audience": project.Token(issuer.Anonymous, "ana", "", time.Now(), map[string]any{"aud": project.Project}),
		"an anonymous user, as of this issuer": project.Token(issuer.Anonymous, "ana", "", time.Now(), map[string]any{"iss": project.Issuer(issuer.Regular)}),
		"a restricted user, as of this issuer": project.Token(issuer.Restricted, "ana", "", time.Now(), map[string]any{"iss": project.Issuer(issuer.Regular), "aud": project.Project}),
	}
	embedded := own.Public()
	for name, header := range map[string]map[string]any{
		"jwk":                        {"jwk": embedded, "kid": real},
		"jwk without kid":            {"jwk": embedded},
		"jku":                        {"jku": "https://attacker.example.com/jwks.json", "kid": "attacker"},
		"jku of the real host":       {"jku": "https://api.stack-auth.com@attacker.example.com/jwks.json", "kid": real},
		"x5u":                        {"x5u": "https://attacker.example.com/cert.pem", "kid": real},
		"x5c":                        {"x5c": []string{base64.StdEncoding.EncodeToString([]byte("certificate"))}, "kid": real},
		"kid of a path":              {"kid": "../../../../dev/null"},
		"kid of a file":              {"kid": "file:///dev/null"},
		"kid of a URL":               {"kid": "https://attacker.example.com/key"},
		"kid of SQL":                 {"kid": "x' UNION SELECT 'secret' -- "},
		"kid of a shell":             {"kid": "$(touch /tmp/owned)|id"},
		"kid with a zero byte":       {"kid": real + "\x00"},
		"kid in another case":        {"kid": strings.ToUpper(real)},
		"kid with line feeds":        {"kid": real + "\r\nHSET bursar:{config}:documents a b\r\n"},
		"kid of Redis' making":       {"kid": "bursar:{config}:documents"},
		"kid of 8 KiB":               {"kid": strings.Repeat("k", 8<<10)},
		"empty kid":                  {"kid": ""},
		"kid that is a number":       {"kid": 1},
		"kid that is a list":         {"kid": []string{real}},
		"kid that is no text at all": {"kid": map[string]any{"$ne": nil}},
	} {
		header["alg"] = "ES256"
		attacks[name] = own.SignRaw(header, mustMarshal(claims))
	}
	return attacks
}

// attacksOnClaims are signed by the issuer, or were once, and do not hold.
func attacksOnClaims(t testing.TB, project *issuer.StackAuth) map[string]string {
	t.Helper()
	now := time.Now()
	key := project.Key(issuer.Regular)
	attacks := map[string]string{}
	for name, others := range map[string]map[string]any{
		"expired":                       {"exp": now.Add(-2 * time.Minute).Unix()},
		"exp as a text":                 {"exp": fmt.Sprint(now.Add(time.Hour).Unix())},
		"exp null":                      {"exp": nil},
		"exp in milliseconds of a year": {"exp": 1e15},
		"exp beyond all numbers":        {"exp": 1e308},
		"nbf in the far future":         {"nbf": now.AddDate(50, 0, 0).Unix()},
		"iat in the far future":         {"iat": now.AddDate(50, 0, 0).Unix()},
		"aud of a list of others":       {"aud": []string{"f3f0:anon", "f3f", "*", ""}},
		"aud of everybody":              {"aud": "*"},
		"aud empty":                     {"aud": ""},
		"aud null":                      {"aud": nil},
		"aud an object":                 {"aud": map[string]any{"0": project.Project}},
		"aud a list within a list":      {"aud": []any{[]string{project.Project}}},
		"iss with a slash":              {"iss": project.Issuer(issuer.Regular) + "/"},
		"iss of a list":                 {"iss": []string{project.Issuer(issuer.Regular)}},
		"iss in capitals":               {"iss": strings.ToUpper(project.Issuer(issuer.Regular))},
		"sub null":                      {"sub": nil},
		"sub with a line feed":          {"sub": "ana\nroot"},
		"nobody's member":               {"sub": "eve"},
		"a member in another case":      {"sub": "ANA"},
		"a tenant of their own choice":  {"sub": "eve", "tenant": "acme", "tenants": []string{"acme"}, "org": "acme"},
	} {
		attacks[name] = project.Token(issuer.Regular, "ana", "", now, others)
	}
	payload := string(mustMarshal(honest(project)))
	for name, doubled := range map[string]string{
		"sub twice":               `{"sub":"eve",` + payload[1:],
		"exp twice":               `{"exp":1,` + payload[1:],
		"iss twice":               `{"iss":"https://attacker.example.com",` + payload[1:],
		"aud twice, once escaped": `{"\u0061ud":"other",` + payload[1:],
		"claims after the claims": payload + payload,
		"a list of claims":        "[" + payload + "]",
		"claims that are null":    "null",
		"claims that are a text":  `"` + project.Project + `"`,
		"no JSON":                 "sub=ana",
	} {
		attacks[name] = key.SignRaw(map[string]any{"alg": "ES256", "kid": key.ID}, []byte(doubled))
	}
	return attacks
}

// attacksOnForm write a token in another way than it is written.
func attacksOnForm(t testing.TB, project *issuer.StackAuth) map[string]string {
	t.Helper()
	token := project.Key(issuer.Regular).Sign(honest(project))
	parts := strings.Split(token, ".")
	last := token[len(token)-1]
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	changed := alphabet[strings.IndexByte(alphabet, last)^1]
	var zipped bytes.Buffer
	writer, err := flate.NewWriter(&zipped, flate.BestCompression)
	testkit.Must(t, err)
	_, _ = writer.Write(make([]byte, 64<<20)) // a buffer takes everything
	testkit.Must(t, writer.Close())
	return map[string]string{
		"padding":                         token + "==",
		"unused bits of the last letter":  token[:len(token)-1] + string(changed),
		"the standard alphabet":           strings.NewReplacer("-", "+", "_", "/").Replace(token) + "+",
		"a blank within":                  token[:40] + " " + token[40:],
		"a line feed within":              token[:40] + "\n" + token[40:],
		"a zero byte within":              token[:40] + "\x00" + token[40:],
		"no signature":                    parts[0] + "." + parts[1] + ".",
		"two parts":                       parts[0] + "." + parts[1],
		"four parts":                      token + "." + parts[2],
		"a token within a token":          encode(map[string]any{"alg": "ES256", "cty": "JWT"}) + "." + encode(token) + "." + parts[2],
		"an encrypted token":              encode(map[string]any{"alg": "RSA-OAEP", "enc": "A256GCM"}) + "." + parts[0] + "." + parts[1] + "." + parts[2] + "." + parts[0],
		"an encrypted token, unencrypted": encode(map[string]any{"alg": "dir", "enc": "A128CBC-HS256"}) + ".." + parts[0] + "." + encode(token) + "." + parts[2],
		"an encrypted token that unzips to 64 MiB": encode(map[string]any{"alg": "dir", "enc": "A256GCM", "zip": "DEF"}) + ".." + parts[0] + "." +
			base64.RawURLEncoding.EncodeToString(zipped.Bytes()[:4<<10]) + "." + parts[2],
		"the signature of another":    parts[0] + "." + encode(map[string]any{"iss": project.Issuer(issuer.Regular), "aud": project.Project, "sub": "ana"}) + "." + parts[2],
		"a signature of zeros":        parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"a signature in DER":          parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString([]byte{0x30, 6, 2, 1, 1, 2, 1, 1}),
		"20 KiB":                      project.Token(issuer.Regular, "ana", "", time.Now(), map[string]any{"more": strings.Repeat("x", 20<<10)}),
		"a million parts":             strings.Repeat(".", 50_000),
		"200 KiB":                     project.Token(issuer.Regular, "ana", "", time.Now(), map[string]any{"more": strings.Repeat("x", 200<<10)}),
		"brackets without end":        project.Key(issuer.Regular).SignRaw(map[string]any{"alg": "ES256"}, []byte(strings.Repeat(`{"a":[`, 1500))),
		"JSON instead of the compact": `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`,
	}
}

func mustMarshal(value any) []byte {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	return encoded
}

// TestUnknownKids: a caller that makes up key ids by the thousand has keys fetched once, takes no
// memory, and disturbs nobody.
func TestUnknownKids(t *testing.T) {
	var wanted atomic.Int64
	d := newDoor(t, whole(200, answer), func(o *doorOptions) {
		o.wantKeys = func(context.Context, string) error { wanted.Add(1); return nil }
	})
	project := newProject(t)
	d.trust(project)
	key, err := issuer.NewKey("", jose.ES256)
	testkit.Must(t, err)
	claims := mustMarshal(honest(project))
	good := project.Token(issuer.Regular, "ana", "", time.Now(), nil)
	before, begin := heap(), time.Now()
	const attempts, senders = 10_000, 8
	done := make(chan struct{})
	var refused atomic.Int64
	for n := range senders {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := n; i < attempts; i += senders {
				request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, d.url+"/v1/models", nil)
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("Authorization", "Bearer "+key.SignRaw(map[string]any{"alg": "ES256", "kid": rand.Text()}, claims))
				if got := d.do(request); got.status == http.StatusUnauthorized && strings.Contains(got.body, "The token is signed with an unknown key") {
					refused.Add(1)
				} else if got.err == nil {
					t.Errorf("got %d %s", got.status, got.body)
				}
			}
		}()
	}
	for ended := 0; ended < senders; {
		select {
		case <-done:
			ended++
		case <-time.After(5 * time.Millisecond): // what is kept of the honest caller's calls, the test keeps
			if got := d.callWith(good); got.status != http.StatusOK {
				t.Fatalf("the honest caller: got %d %s", got.status, got.body)
			}
		}
	}
	if n := refused.Load(); n != attempts {
		t.Errorf("%d of %d were refused", n, attempts)
	}
	if n, most := wanted.Load(), 1+int64(time.Since(begin)/limiterv1.WantedKeysPause); n < 1 || n > most {
		t.Errorf("keys were wanted %d times, want once a minute", n)
	}
	if grown := heap() - before; grown > 32<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}

// TestRefusalsOfTokens: a caller is told what is wrong with its token, in the shape of its
// protocol, and how it can authenticate.
func TestRefusalsOfTokens(t *testing.T) {
	d := newDoor(t, nil)
	project := newProject(t)
	d.trust(project)
	d.config.members.Put(limiterv1.Members{Name: "beta/people", Tenant: "beta", Provider: "stack-auth", Members: []limiterv1.Member{{Subject: "both"}}})
	d.config.members.Put(limiterv1.Members{Name: "acme/more", Tenant: "acme", Provider: "stack-auth", Members: []limiterv1.Member{{Subject: "both"}}})
	now := time.Now()
	expired := now.Add(-time.Hour).Truncate(time.Second).UTC().Format(time.RFC3339)
	for name, tc := range map[string]struct {
		token     string
		tenant    string
		status    int
		message   string
		challenge string
	}{
		"expired": {
			token:  project.Token(issuer.Regular, "ana", "", now, map[string]any{"exp": now.Add(-time.Hour).Unix()}),
			status: 401, message: "The token expired at " + expired + ".", challenge: "the token expired at " + expired,
		},
		"for another audience": {
			token:  project.Token(issuer.Regular, "ana", "", now, map[string]any{"aud": "elsewhere"}),
			status: 401, message: "The token is for another audience.", challenge: "the token is for another audience",
		},
		"of an unknown issuer": {
			token:  project.Token(issuer.Anonymous, "ana", "", now, nil),
			status: 401, message: "The issuer of the token is unknown.", challenge: "the issuer of the token is unknown",
		},
		"malformed": {
			token: "a.b.c", status: 401, message: "A part of the token is not base64url without padding.",
			challenge: "a part of the token is not base64url without padding",
		},
		"not signed": {
			token: "e30.e30.", status: 401, message: "The token is not signed.", challenge: "the token is not signed",
		},
		"nobody's member": {
			token: project.Token(issuer.Regular, "eve", "", now, nil), status: 403, message: "The caller belongs to no tenant.",
		},
		"of two tenants": {
			token: project.Token(issuer.Regular, "both", "", now, nil), status: 400,
			message: "The caller belongs to several tenants, and the request does not say which one pays: acme, beta: send one of them in the header X-Bursar-Tenant.",
		},
		"of two tenants, and names a third": {
			token: project.Token(issuer.Regular, "both", "", now, nil), tenant: "root", status: 403,
			message: "The request names a tenant that the caller does not belong to; the caller belongs to acme, beta.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			request := d.request(http.MethodPost, "/v1/chat/completions", chat)
			request.Header.Set("Authorization", "Bearer "+tc.token)
			if tc.tenant != "" {
				request.Header.Set("X-Bursar-Tenant", tc.tenant)
			}
			got := d.do(request)
			var body struct{ Error struct{ Message string } }
			testkit.Must(t, json.Unmarshal([]byte(got.body), &body))
			if got.status != tc.status || body.Error.Message != tc.message {
				t.Errorf("got %d %q, want %d %q", got.status, body.Error.Message, tc.status, tc.message)
			}
			want := ""
			if tc.challenge != "" {
				want = `Bearer realm="bursar", error="invalid_token", error_description="` + tc.challenge + `"`
			}
			if challenge := got.header.Get("Www-Authenticate"); challenge != want {
				t.Errorf("got the challenge %s\nwant %s", challenge, want)
			}
		})
	}
}
