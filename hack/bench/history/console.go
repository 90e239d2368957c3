package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/showcase"
)

// startTimeout is how long the console may take to start.
const startTimeout = time.Minute

// site is a console that people ask.
type site struct {
	url     string
	process *process.Process
	company *showcase.Showcase
}

// startConsole starts the console's program, as its service account, over the company's ledger.
func startConsole(ctx context.Context, company *showcase.Showcase, program, dir string) (*site, error) {
	if _, err := os.Stat(program); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: run `make build`", program)
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := company.Kubernetes.WriteKubeconfig(kubeconfig, kubernetes.Console); err != nil {
		return nil, err
	}
	addresses, err := process.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	child, err := process.Start(process.Options{
		Name: "console", Path: program, LogFile: filepath.Join(dir, "console.log"),
		Args: []string{
			"--kubeconfig", kubeconfig, "--listen-address", addresses[0], "--health-address", addresses[1], "--platform-admins", "company/group/" + showcase.PlatformGroup,
		},
		Env: append(os.Environ(), "BURSAR_DATABASE_URL="+company.ConsoleURL),
	})
	if err != nil {
		return nil, err
	}
	s := &site{url: "http://" + addresses[0], process: child, company: company}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err = child.WaitReady(ctx, func(ctx context.Context) error {
		_, err := fetch(ctx, "http://"+addresses[1]+"/readyz", "")
		return err
	})
	if err != nil {
		return nil, errors.Join(err, child.Stop())
	}
	return s, nil
}

// spent is the processor time of console and Postgres until now: on a busy machine, an answer that takes
// little of it may take long.
func (s *site) spent() (time.Duration, error) {
	console, err := process.Time(s.process.PID())
	if err != nil {
		return 0, err
	}
	postgres, err := process.FamilyTime(s.company.Postgres.PID())
	return console + postgres, err
}

// token is a token of somebody of the company.
func (s *site) token(user string) string {
	if user == platformAdmin {
		return s.company.Token(user, showcase.PlatformGroup)
	}
	return s.company.Token(user)
}

// answer is what came of a request that succeeded.
type answer struct {
	mediaType string
	body      []byte
}

// fetch asks for a URL, and reads all of the answer.
func fetch(ctx context.Context, url, token string) (a answer, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return a, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return a, err
	}
	defer func() { _ = response.Body.Close() }()
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return a, err
	}
	if response.StatusCode != http.StatusOK {
		return a, fmt.Errorf("%s: %s: %.500s", url, response.Status, a.body)
	}
	a.mediaType, _, err = mime.ParseMediaType(response.Header.Get("Content-Type"))
	return a, err
}

// get asks for a path as somebody, and makes sure that the answer is complete.
func (s *site) get(ctx context.Context, path, token string) (answer, error) {
	a, err := fetch(ctx, s.url+path, token)
	if err != nil {
		return a, err
	}
	complete := false
	switch a.mediaType {
	case "text/html":
		complete = strings.HasSuffix(strings.TrimSpace(string(a.body)), "</html>")
	case "application/json":
		complete = json.Valid(a.body)
	case "text/csv":
		complete = strings.HasSuffix(string(a.body), "\n")
	}
	if !complete {
		return a, fmt.Errorf("%s: not complete: %s of %d bytes", path, a.mediaType, len(a.body))
	}
	return a, nil
}

// asked are the questions of people to a console.
type asked struct {
	site *site
	kind string
	all  []question
}

// add adds a path that somebody asks for.
func (a *asked) add(user, path string) {
	a.addEach(user, path, func(*rand.Rand) string { return path })
}

// addEach adds a path that is another one each time.
func (a *asked) addEach(user, name string, path func(*rand.Rand) string) {
	token := a.site.token(user)
	a.all = append(a.all, question{fmt.Sprintf("%s: %s: %s", a.kind, user, name), func(ctx context.Context, random *rand.Rand) error {
		_, err := a.site.get(ctx, path(random), token)
		return err
	}})
}
