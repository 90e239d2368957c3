package answercache_test

import (
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/digest"
	"github.com/bursar-dev/bursar/hack/testkit"
)

func key(name string) digest.Digest { return digest.Of([]byte(name)) }

func answer(size int, age time.Duration) answercache.Answer {
	return answercache.Answer{
		Status: 200, Header: textproto.MIMEHeader{"Content-Type": {"application/json"}},
		Body: []byte(strings.Repeat("x", size)), At: time.Now().Add(-age),
	}
}

func has(c *answercache.Cache, name string) bool {
	_, ok := c.Get(key(name), time.Hour)
	return ok
}

func TestAnswersThatNobodyAskedForGoFirst(t *testing.T) {
	c := answercache.New(350_000)
	for _, name := range []string{"a", "b", "c"} {
		c.Put(key(name), answer(100_000, 0), time.Hour)
	}
	has(c, "a")
	c.Put(key("d"), answer(100_000, 0), time.Hour)
	for name, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if got := has(c, name); got != want {
			t.Errorf("%s is kept: %t, want %t", name, got, want)
		}
	}
	c.Put(key("c"), answer(300_000, 0), time.Hour)
	if !has(c, "c") || has(c, "a") || has(c, "d") {
		t.Error("a larger answer in the place of another did not make the others go")
	}
}

func TestAnswersThatAreNotKept(t *testing.T) {
	for name, tc := range map[string]struct {
		maxBytes   int64
		answer     answercache.Answer
		keep, want time.Duration
	}{
		"too old for who asks":       {1 << 20, answer(1, time.Minute), time.Hour, time.Second},
		"of no age":                  {1 << 20, answer(1, 0), 0, time.Hour},
		"too large":                  {64 << 20, answer(answercache.MaxAnswerBytes+1, 0), time.Hour, time.Hour},
		"larger than all the memory": {1 << 10, answer(1<<10, 0), time.Hour, time.Hour},
		"where none are":             {0, answer(1, 0), time.Hour, time.Hour},
	} {
		c := answercache.New(tc.maxBytes)
		c.Put(key("a"), tc.answer, tc.keep)
		if _, ok := c.Get(key("a"), tc.want); ok {
			t.Errorf("%s: is given", name)
		}
	}
}

func TestAnswerIsKeptForItsTime(t *testing.T) {
	c := answercache.New(1 << 20)
	c.Put(key("a"), answer(1, 0), time.Millisecond)
	testkit.Eventually(t, "the answer is given no more", func() bool { return !has(c, "a") })
}

func TestLargestAnswer(t *testing.T) {
	c := answercache.New(2 << 20)
	c.Put(key("a"), answer(answercache.MaxAnswerBytes, 0), time.Hour)
	if !has(c, "a") {
		t.Error("is not kept")
	}
}
