package pages_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// programs are what a browser is called.
var programs = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// findBrowser is a browser of this machine. Without one the test is skipped, except in CI.
func findBrowser(t *testing.T) string {
	t.Helper()
	for _, program := range programs {
		if path, err := exec.LookPath(program); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no chromium on this machine: make browser installs it")
	}
	t.Skip("no chromium on this machine: make browser installs it")
	return ""
}

// browserOf is a browser, which all tests share.
var browserOf = sync.OnceValues(func() (context.Context, error) {
	for _, program := range programs {
		if path, err := exec.LookPath(program); err == nil {
			options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Flag("no-sandbox", true),
				chromedp.Flag("hide-scrollbars", true), chromedp.Flag("force-color-profile", "srgb"))
			allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
			ctx, _ := chromedp.NewContext(allocator) // both end with the tests
			return ctx, chromedp.Do(ctx)
		}
	}
	return nil, errors.New("no browser")
})

// tab is a tab of a browser, in which somebody is signed in.
type tab struct {
	ctx context.Context
	t   *testing.T

	mu sync.Mutex
	// wrong is what the browser complained of.
	wrong []string
}

// look says how a page is looked at.
type look struct {
	language      string
	width, height int64
	dark          bool
	withoutScript bool
}

// open opens a tab for a person.
func open(t *testing.T, who person, how look) *tab {
	t.Helper()
	findBrowser(t)
	browser, err := browserOf()
	testkit.Must(t, err)
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	testkit.Must(t, chromedp.Do(ctx))
	messages := chromedp.Console(ctx)
	tb := &tab{t: t}
	go func() {
		for message, err := range messages {
			if err != nil {
				return
			}
			tb.hear(message)
		}
	}()
	var cancelTime context.CancelFunc
	tb.ctx, cancelTime = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancelTime)
	scheme := "light"
	if how.dark {
		scheme = "dark"
	}
	headers := network.Headers{"Accept-Language": how.language}
	if who.user != "" {
		headers["Authorization"] = "Bearer " + who.token()
	}
	call(tb, network.Enable, network.EnableParams{})
	call(tb, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: headers})
	call(tb, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	call(tb, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: how.withoutScript})
	tb.do(chromedp.EmulateViewport(how.width, how.height))
	return tb
}

// call sends a command of the browser's protocol.
func call[P, R any](tb *tab, command cdp.Command[P, R], params P) R {
	tb.t.Helper()
	result, err := chromedp.Call(tb.ctx, command, params)
	testkit.Must(tb.t, err)
	return result
}

// hear takes down what the browser complains of, except that a page has an error's status, which
// a test may be about.
func (tb *tab) hear(message chromedp.ConsoleMessage) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	switch message.Type {
	case "error", "warning", "assert", chromedp.ConsoleException:
		if !strings.Contains(message.Text, "the server responded with a status of") {
			tb.wrong = append(tb.wrong, message.String())
		}
	}
}

// complaints are what the browser complained of.
func (tb *tab) complaints() []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return append([]string{}, tb.wrong...)
}

func (tb *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	testkit.Must(tb.t, chromedp.Do(tb.ctx, actions...))
}

func (tb *tab) visit(path string) {
	tb.t.Helper()
	tb.do(chromedp.Navigate(shared.url + path))
}

// value is that of an expression in the page.
func value[T any](tb *tab, expression string) T {
	tb.t.Helper()
	result, err := chromedp.Run(tb.ctx, chromedp.Evaluate[T](expression))
	testkit.Must(tb.t, err)
	return result
}

// picture is the whole page as PNG.
func (tb *tab) picture() []byte {
	tb.t.Helper()
	png, err := chromedp.Run(tb.ctx, chromedp.FullScreenshot(100))
	testkit.Must(tb.t, err)
	return png
}
