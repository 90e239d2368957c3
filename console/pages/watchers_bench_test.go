package pages_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/hack/showcase"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// watchersVariable has this program be the browsers of BenchmarkWatchers, at the console of which it has
// the URL: their processor time is not the console's.
const watchersVariable = "BURSAR_BENCH_WATCHERS"

// watching is a page that somebody watches.
type watching struct{ Path, Token, Language string }

// browsers watches the pages that stdin names, and writes a line for each time that one of them is told
// what is new.
func browsers(address string) error {
	var all []watching
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	told, ended := make(chan struct{}), make(chan error, len(all))
	for _, one := range all {
		go func() { ended <- one.watch(client, address, told) }()
	}
	for {
		select {
		case <-told:
			fmt.Println("told")
		case err := <-ended:
			return err
		}
	}
}

func (w watching) watch(client *http.Client, address string, told chan<- struct{}) error {
	request, err := http.NewRequest(http.MethodGet, address+w.Path, http.NoBody) //nolint:noctx // until the process is killed
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+w.Token)
	request.Header.Set("Accept-Language", w.Language)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", w.Path, response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 10<<20)
	isFigures := false
	for lines.Scan() {
		switch line := lines.Text(); {
		case line == "event: figures":
			isFigures = true
		case line == "" && isFigures:
			isFigures = false
			told <- struct{}{}
		}
	}
	return fmt.Errorf("%s: the stream has ended: %w", w.Path, lines.Err())
}

// startBrowsers starts the browsers, and returns what says that one of them was told.
func startBrowsers(b *testing.B, all []watching) (told <-chan struct{}) {
	b.Helper()
	program, err := os.Executable()
	testkit.Must(b, err)
	input, err := json.Marshal(all)
	testkit.Must(b, err)
	cmd := exec.CommandContext(b.Context(), program)
	cmd.Env = append(os.Environ(), watchersVariable+"="+shared.url)
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(input)), os.Stderr
	output, err := cmd.StdoutPipe()
	testkit.Must(b, err)
	testkit.Must(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	lines := make(chan struct{}, len(all))
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			lines <- struct{}{}
		}
	}()
	return lines
}

// processorTime is what this process, with the console in it, has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	testkit.Must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// memory is what the console's heap and stacks have in use.
func memory() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapInuse + stats.StackInuse) //nolint:gosec // no machine has so much
}

// BenchmarkWatchers has 200 people watch Costs. It measures the console's processor time for a call that
// all of them are shown, and for a second in which there is nothing new; its memory for each who
// watches; and how long the slowest waits for a call.
func BenchmarkWatchers(b *testing.B) {
	const people = 200
	for name, pages := range map[string][]string{
		"one-page":    {""},
		"eight-pages": {"", "&by=user", "&by=model", "&by=group", "&by=provider", "&span=7d", "&by=user&span=7d", "&by=model&span=7d"},
	} {
		b.Run(name, func(b *testing.B) {
			var all []watching
			for n := range people {
				all = append(all, watching{"/costs/live?tenant=research" + pages[n%len(pages)], shared.Token(fmt.Sprint("finance-", n), showcase.PlatformGroup), "en"})
			}
			before := memory()
			told := startBrowsers(b, all)
			await := func() {
				for range people {
					select {
					case _, open := <-told:
						if !open {
							b.Fatal("the browsers have ended")
						}
					case <-time.After(time.Minute):
						b.Fatal("somebody is not told what is new")
					}
				}
			}
			await() // each is told once what there is
			kept := memory() - before
			const idle = 10 * time.Second
			used := processorTime(b)
			time.Sleep(idle)
			whenIdle := processorTime(b) - used
			var slowest time.Duration
			used = processorTime(b)
			calls := 0
			for b.Loop() {
				calls++
				began := time.Now()
				record(b, fmt.Sprint(name, "-", began.UnixNano()))
				await()
				slowest = max(slowest, time.Since(began))
			}
			used = processorTime(b) - used
			b.ReportMetric(float64(used.Milliseconds())/float64(calls), "cpu-ms/call")
			b.ReportMetric(float64(whenIdle.Milliseconds())/idle.Seconds(), "idle-cpu-ms/s")
			b.ReportMetric(float64(kept)/people/1024, "KiB/person")
			b.ReportMetric(slowest.Seconds(), "slowest-s")
		})
	}
}
