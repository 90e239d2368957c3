package setup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// way is a way out of a manager, on which requests can fail.
type way int

const (
	toKubernetes way = iota
	toRedis
	toPostgres
)

// fate is what becomes of a request.
type fate int

const (
	goesWell fate = iota
	// failsBefore is a failure before the request has any effect; failsAfter is one after it
	// had its effect, whose answer is lost.
	failsBefore
	failsAfter
	// conflicts is a conflict, which only the API server answers.
	conflicts
	// diesBefore and diesAfter end the manager before or after the request.
	diesBefore
	diesAfter
)

// failing is how many of a hundred requests on each way fail. A mortal life ends at one of the
// first mortal requests on one of the ways.
var (
	failing = map[way]int{toKubernetes: 20, toRedis: 12, toPostgres: 8}
	mortal  = map[way]int{toKubernetes: 20, toRedis: 100, toPostgres: 30}
)

// life is one life of a manager, whose requests fail as a seed says. Concurrent requests
// meet their fates in an order that the seed does not decide.
type life struct {
	mu     sync.Mutex
	rand   *rand.Rand
	faulty bool
	dead   bool
	// The manager dies at a request on the way diesOn, after so many others.
	diesOn way
	diesIn int
	// fated are the writes to the API server whose fate is known beforehand.
	fated func(*http.Request) fate
	// kill ends the manager.
	kill context.CancelFunc
	// failed are the requests that did not go well.
	failed int
	// wrote are the writes to the API server, for a test to print.
	wrote []string
}

// newLife is a life in which requests fail. A mortal one ends at one of them.
func newLife(seed uint64, isMortal bool) *life {
	l := &life{rand: rand.New(rand.NewPCG(seed, 4)), faulty: true}
	if isMortal {
		l.diesOn = way(l.rand.IntN(3))
		l.diesIn = 1 + l.rand.IntN(mortal[l.diesOn])
	}
	return l
}

// heal ends all faults.
func (l *life) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faulty = false
}

func (l *life) die() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	l.kill()
}

// failures is how many requests did not go well.
func (l *life) failures() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

func (l *life) hasDied() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

var errDead = errors.New("the manager is dead")

// next is the fate of the next request; an error if the manager is dead.
func (l *life) next(w way) (fate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return 0, errDead
	}
	if !l.faulty {
		return goesWell, nil
	}
	if w == l.diesOn && l.diesIn > 0 {
		if l.diesIn--; l.diesIn == 0 {
			l.failed++
			return diesBefore + fate(l.rand.IntN(2)), nil
		}
	}
	if l.rand.IntN(100) >= failing[w] {
		return goesWell, nil
	}
	l.failed++
	kinds := 2
	if w == toKubernetes {
		kinds = 3
	}
	return failsBefore + fate(l.rand.IntN(kinds)), nil
}

// fateOf is the fate of a write to the API server.
func (l *life) fateOf(request *http.Request) (fate, error) {
	if l.fated != nil && !l.hasDied() {
		if fate := l.fated(request); fate != goesWell {
			return fate, nil
		}
	}
	return l.next(toKubernetes)
}

// lateness is how far the cache is behind what has just come in.
func (l *life) lateness() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.faulty || l.rand.IntN(3) > 0 {
		return 0
	}
	return time.Duration(l.rand.IntN(150)) * time.Millisecond
}

// cluster is the way to the API server. Only writes fail; what is watched comes late.
func (l *life) cluster(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return roundTripper{next, l} })
	return config
}

type roundTripper struct {
	http.RoundTripper
	life *life
}

func (t roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method == http.MethodGet {
		response, err := t.RoundTripper.RoundTrip(request)
		if err == nil && request.URL.Query().Get("watch") == "true" {
			response.Body = late{response.Body, t.life}
		}
		return response, err
	}
	t.life.note(request)
	fate, err := t.life.fateOf(request)
	if err != nil {
		return nil, err
	}
	switch fate {
	case goesWell:
		return t.RoundTripper.RoundTrip(request)
	case failsAfter, diesAfter:
		response, err := t.RoundTripper.RoundTrip(request)
		if err != nil {
			return nil, err
		}
		_ = response.Body.Close()
	default:
		if request.Body != nil {
			_ = request.Body.Close()
		}
	}
	switch fate {
	case diesBefore, diesAfter:
		t.life.die()
		return nil, errDead
	case conflicts:
		return answer(request, http.StatusConflict, metav1.StatusReasonConflict)
	}
	if request.ContentLength%2 == 0 {
		return nil, context.DeadlineExceeded
	}
	return answer(request, http.StatusInternalServerError, metav1.StatusReasonInternalError)
}

// note remembers a write.
func (l *life) note(request *http.Request) {
	what := request.Method + " " + request.URL.Path
	if request.GetBody != nil {
		if body, err := request.GetBody(); err == nil {
			said, _ := io.ReadAll(body)
			what += " " + string(said)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrote = append(l.wrote, what)
}

// writes are the writes to the API server so far that are about a namespace.
func (l *life) writes(namespace string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.wrote), func(what string) bool { return !strings.Contains(what, namespace) })
}

// answer is the API server's error.
func answer(request *http.Request, code int, reason metav1.StatusReason) (*http.Response, error) {
	body, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: "a fault of this test",
	})
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: request,
	}, err
}

// late is what is watched, some time later.
type late struct {
	io.ReadCloser
	life *life
}

func (r late) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	time.Sleep(r.life.lateness())
	return n, err
}

// redis is the way to Redis.
func (l *life) redis(options goredis.Options) *goredis.Client {
	options.Dialer = l.dial(toRedis)
	return goredis.NewClient(&options)
}

// postgres is the way to Postgres.
func (l *life) postgres(ctx context.Context, config *pgxpool.Config) (*pgxpool.Pool, error) {
	config = config.Copy()
	config.ConnConfig.DialFunc = l.dial(toPostgres)
	return pgxpool.NewWithConfig(ctx, config)
}

func (l *life) dial(w way) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &wire{Conn: conn, life: l, way: w}, nil
	}
}

// wire is a connection whose requests fail: it is cut before one is sent, or when
// its answer comes.
type wire struct {
	net.Conn
	life *life
	way  way
	// answered is called in the place of handing on the next answer.
	answered atomic.Pointer[func()]
}

var errCut = errors.New("the connection is cut")

func (c *wire) Write(b []byte) (int, error) {
	fate, err := c.life.next(c.way)
	if err != nil {
		_ = c.Close()
		return 0, err
	}
	nothing := func() {}
	switch fate {
	case failsBefore:
		_ = c.Close()
		return 0, errCut
	case diesBefore:
		c.life.die()
		return 0, errDead
	case failsAfter:
		c.answered.Store(&nothing)
	case diesAfter:
		die := c.life.die
		c.answered.Store(&die)
	}
	return c.Conn.Write(b)
}

func (c *wire) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if answered := c.answered.Load(); answered != nil {
		_ = c.Close()
		(*answered)()
		return 0, errCut
	}
	return n, err
}
