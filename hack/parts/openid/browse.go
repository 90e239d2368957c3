package openid

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// Page is what a browser shows.
type Page struct {
	// URL is where it is, after all redirects.
	URL    *url.URL
	Status int
	Body   string
}

// NewBrowser is a browser that keeps cookies, and has none yet.
func NewBrowser() (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	return &http.Client{Jar: jar}, err
}

// Open opens a page as a person with a browser. If that redirects to the sign-in, it signs in. It
// returns the page that is shown in the end.
func Open(ctx context.Context, browser *http.Client, page, name, password string) (Page, error) {
	shown, err := show(ctx, browser, http.MethodGet, page, nil)
	if err != nil || shown.URL.Path != signInPath || !strings.Contains(shown.Body, `name="password"`) {
		return shown, err
	}
	form := url.Values{"id": {shown.URL.Query().Get("id")}, "name": {name}, "password": {password}}
	return show(ctx, browser, http.MethodPost, shown.URL.String(), form)
}

// show requests a page as a browser does.
func show(ctx context.Context, browser *http.Client, method, at string, form url.Values) (Page, error) {
	request, err := http.NewRequestWithContext(ctx, method, at, strings.NewReader(form.Encode()))
	if err != nil {
		return Page{}, err
	}
	request.Header.Set("Accept", "text/html")
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := browser.Do(request)
	if err != nil {
		return Page{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return Page{}, fmt.Errorf("%s: %w", response.Request.URL.Path, err)
	}
	return Page{response.Request.URL, response.StatusCode, string(body)}, nil
}
