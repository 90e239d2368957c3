package signin_test

import (
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/console/signin"
	"github.com/bursar-dev/bursar/hack/parts/openid"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestTokensExpire: a session ends with its token, and goes on where it was after another sign-in.
func TestTokensExpire(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	token := formToken(b.signIn(b.get(c.URL+"/"), "carla"))
	w.wait(openid.Lifetime + time.Second)
	if got := b.ask(http.MethodGet, c.URL+"/api/ai/me", nil, nil); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("the API answers %d %s", got.StatusCode, got.body)
	}
	live := b.ask(http.MethodGet, c.URL+"/costs/live?by=model", nil, func(h http.Header) { h.Set("Sec-Fetch-Mode", "cors") })
	if live.StatusCode != http.StatusUnauthorized || !strings.Contains(live.body, "/sign-in?to=") {
		t.Errorf("what is live of a page: got %d %s", live.StatusCode, live.body)
	}
	post := b.ask(http.MethodPost, c.URL+"/budgets", map[string][]string{signin.FormField: {token}}, nil)
	if post.StatusCode != http.StatusUnauthorized || !strings.Contains(post.body, `href="/sign-in"`) {
		t.Errorf("a form: got %d %s", post.StatusCode, post.body)
	}
	w.wait(-openid.Lifetime - time.Second) // the issuer's clock is that of this machine
	if landed := b.signIn(b.get(c.URL+"/sign-in?to=/costs"), "carla"); !strings.HasPrefix(landed.body, "you are carla at /costs ") || formToken(landed) != token {
		t.Errorf("after another sign-in, got %d %s", landed.StatusCode, landed.body)
	}
}

// TestSignInsExpire: a sign-in must begin anew if the issuer sends the browser back hours later.
func TestSignInsExpire(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	asked := b.get(c.URL + "/costs")
	w.wait(time.Hour)
	if got := b.signIn(asked, "carla"); got.StatusCode != http.StatusBadRequest || isSignedIn(b, c) {
		t.Errorf("got %d %s", got.StatusCode, got.body)
	}
}

// TestLivePagesEnd with the token of who looks at them.
func TestLivePagesEnd(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	b.signIn(b.get(c.URL+"/"), "carla")
	w.wait(openid.Lifetime - 2*time.Second)
	begin := time.Now()
	b.get(c.URL + "/live")
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it ended after %s", took)
	}
}

// TestWhatIsOpenEndsWithTheSession: an answer that takes long learns that its caller has signed out. It does
// not learn that others have or, while the ledger is away, that anybody has.
func TestWhatIsOpenEndsWithTheSession(t *testing.T) {
	w := newWorld(t)
	watched := make(chan struct{})
	w.reached = func(r *http.Request) {
		if r.URL.Path == "/watched" {
			close(watched)
		}
	}
	c := w.start(true)
	b, other := newBrowser(t, c), newBrowser(t, c)
	b.signIn(b.get(c.URL+"/"), "carla")
	other.signIn(other.get(c.URL+"/"), "carla")
	told := make(chan answer, 1)
	go func() { told <- b.stay().get(c.URL + "/watched") }()
	select {
	case <-watched:
	case got := <-told:
		t.Fatalf("it does not begin: %d %s", got.StatusCode, got.body)
	}
	other.ask(http.MethodPost, c.URL+signin.OutPath, nil, nil)
	w.setAway(true)
	time.Sleep(20 * time.Millisecond) // nothing ends
	w.setAway(false)
	select {
	case got := <-told:
		t.Fatalf("it ends with the session of another browser: %d %s", got.StatusCode, got.body)
	default:
	}
	out := newBrowser(t, c)
	for name, value := range b.cookies(c) {
		out.keep(c, &http.Cookie{Name: name, Value: value})
	}
	out.ask(http.MethodPost, c.URL+signin.OutPath, nil, nil)
	testkit.Eventually(t, "it ends with the session", func() bool { return len(told) == 1 })
	if got := <-told; !strings.Contains(got.body, "you have signed out") {
		t.Errorf("got %d %s", got.StatusCode, got.body)
	}
}

// TestReplicas: a sign-in that one begins another ends, and a third knows whose session it is.
func TestReplicas(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	asked := b.get(c.URL + "/costs")
	c.become(w.replica(c.URL))
	if landed := b.signIn(asked, "carla"); !strings.HasPrefix(landed.body, "you are carla at /costs ") {
		t.Fatalf("got %d %s", landed.StatusCode, landed.body)
	}
	c.become(w.replica(c.URL))
	if !isSignedIn(b, c) {
		t.Error("another replica does not know the session")
	}
}

// TestKeysRotate: sessions that the key before has sealed go on, until it is taken away.
func TestKeysRotate(t *testing.T) {
	w := newWorld(t)
	first, second := newKey(), newKey()
	w.writeKeys(first)
	c := w.start(true)
	old := newBrowser(t, c)
	token := formToken(old.signIn(old.get(c.URL+"/"), "carla"))
	for _, keys := range [][]string{{first, second}, {second, first}} {
		w.writeKeys(keys...)
		c.become(w.replica(c.URL))
		posted := old.ask(http.MethodPost, c.URL+"/budgets", map[string][]string{signin.FormField: {token}}, nil)
		if posted.StatusCode != http.StatusOK {
			t.Errorf("got %d %s", posted.StatusCode, posted.body)
		}
	}
	young := newBrowser(t, c)
	young.signIn(young.get(c.URL+"/"), "carla")
	w.writeKeys(second)
	c.become(w.replica(c.URL))
	if isSignedIn(old, c) || !isSignedIn(young, c) {
		t.Error("the key of a session does not decide whether it counts")
	}
}

// TestKeysAreReadAgain when their file changes, and those before stay while it is broken.
func TestKeysAreReadAgain(t *testing.T) {
	w := newWorld(t)
	keys, err := signin.ReadKeys(w.keysFile, slog.New(slog.DiscardHandler))
	testkit.Must(t, err)
	w.change = func(o *signin.Options) { o.Keys = keys }
	c := w.start(true)
	b := newBrowser(t, c)
	b.signIn(b.get(c.URL+"/"), "carla")
	testkit.Must(t, os.WriteFile(w.keysFile, []byte("nonsense"), 0o600))
	keys.Reread()
	if !isSignedIn(b, c) {
		t.Error("a broken file ends sessions")
	}
	w.writeKeys(newKey())
	keys.Reread()
	if isSignedIn(b, c) {
		t.Error("a key that was taken away still opens")
	}
}

// TestKeysThatAreNone: a console that could not keep sessions does not start.
func TestKeysThatAreNone(t *testing.T) {
	w := newWorld(t)
	for _, content := range []string{"", "\n\n", "c2hvcnQ=", newKey() + "\nnonsense", newKey()[:40]} {
		testkit.Must(t, os.WriteFile(w.keysFile, []byte(content), 0o600))
		_, err := signin.ReadKeys(w.keysFile, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), "openssl rand -base64 32") {
			t.Errorf("%q: got %v", content, err)
		}
	}
}

// TestSignOut: the browser has nothing of the session any more, and is not signed in again by
// itself.
func TestSignOut(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	b.signIn(b.get(c.URL+"/"), "carla")
	if asked := b.get(c.URL + signin.OutPath); !strings.Contains(asked.body, `method="post"`) || !isSignedIn(b, c) {
		t.Errorf("got %d %s", asked.StatusCode, asked.body)
	}
	out := b.stay().ask(http.MethodPost, c.URL+signin.OutPath, nil, nil)
	if got := out.Header.Get("Clear-Site-Data"); out.StatusCode != http.StatusSeeOther || got != `"cache", "storage"` {
		t.Errorf("got %d, and Clear-Site-Data is %q", out.StatusCode, got)
	}
	if kept := b.cookies(c); len(kept) > 0 {
		t.Errorf("the browser keeps %v", kept)
	}
	if got := b.get(c.URL + out.Header.Get("Location")); !strings.Contains(got.body, "You are signed out") || got.Request.URL.Host != strings.TrimPrefix(c.URL, "https://") {
		t.Errorf("got %d %s", got.StatusCode, got.body)
	}
	if isSignedIn(b, c) {
		t.Error("somebody is still signed in")
	}
}

// TestSignOutEverywhere: a copy of the cookie counts nowhere any more, and the sessions of other
// browsers go on.
func TestSignOutEverywhere(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b, other, thief := newBrowser(t, c), newBrowser(t, c), newBrowser(t, c)
	b.signIn(b.get(c.URL+"/"), "carla")
	other.signIn(other.get(c.URL+"/"), "carla")
	for name, value := range b.cookies(c) {
		thief.keep(c, &http.Cookie{Name: name, Value: value})
	}
	if !isSignedIn(thief, c) {
		t.Fatal("the copy does not count before")
	}
	b.ask(http.MethodPost, c.URL+signin.OutPath, nil, nil)
	for range 2 {
		if isSignedIn(thief, c) {
			t.Error("a copy of the cookie still counts")
		}
		if got := thief.get(c.URL + "/api/ai/me"); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("to a copy of the cookie, the API answers %d %s", got.StatusCode, got.body)
		}
		if !isSignedIn(other, c) {
			t.Error("another browser is signed out, too")
		}
		c.become(w.replica(c.URL))
	}
}

// TestNobodyKnowsWhoIsSignedOut: while that is unknown, no session counts, and a sign-out still counts in its
// browser.
func TestNobodyKnowsWhoIsSignedOut(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	b.signIn(b.get(c.URL+"/"), "carla")
	w.away = true
	for _, at := range []string{"/costs", "/api/ai/me"} {
		if got := b.get(c.URL + at); got.StatusCode != http.StatusServiceUnavailable || strings.Contains(got.body, "carla") {
			t.Errorf("%s: got %d %s", at, got.StatusCode, got.body)
		}
	}
	b.ask(http.MethodPost, c.URL+signin.OutPath, nil, nil)
	w.away = false
	if isSignedIn(b, c) {
		t.Error("the browser keeps the session")
	}
}

// TestALedgerThatHangs: nobody waits for it for as long as they do for a page.
func TestALedgerThatHangs(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	b.signIn(b.get(c.URL+"/"), "carla")
	w.hangs.Store(true)
	b.Timeout = time.Minute // with which an answer would come too late
	for _, at := range []string{"/costs", "/api/ai/me"} {
		if got := b.get(c.URL + at); got.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d %s", at, got.StatusCode, got.body)
		}
	}
	b.ask(http.MethodPost, c.URL+signin.OutPath, nil, nil)
	w.hangs.Store(false)
	if isSignedIn(b, c) {
		t.Error("the browser keeps the session")
	}
}

// TestPublicURLs are safe for what a console sets there.
func TestPublicURLs(t *testing.T) {
	for text, want := range map[string]string{
		"https://bursar.example.com": "https://bursar.example.com", "https://bursar.example.com:8443/": "https://bursar.example.com:8443", "http://127.0.0.1:8080": "http://127.0.0.1:8080",
		"http://localhost": "http://localhost", "http://[::1]:80": "http://[::1]:80",
		"": "", "bursar.example.com": "", "http://bursar.example.com": "", "https://bursar.example.com/console": "", "https://a@bursar.example.com": "",
		"https://bursar.example.com?a": "", "ftp://bursar.example.com": "", "http://localhost.example.com": "", "https://": "",
	} {
		got, err := signin.ParsePublicURL(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}
