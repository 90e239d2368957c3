package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

// asFloor makes this program a floor, or the upstream, and names which.
const asFloor = "BURSAR_BENCH_FLOOR"

// The floors.
const (
	upstreamFloor = "upstream"
	bareFloor     = "bare"
	redisFloor    = "bare-redis"
	refusingFloor = "refusing"
)

// What a floor is told in its environment.
const (
	floorAddress  = "BURSAR_BENCH_ADDRESS"
	floorUpstream = "BURSAR_BENCH_UPSTREAM"
	floorRedis    = "BURSAR_BENCH_REDIS"
)

// serveFloor serves until the process ends.
func serveFloor(as string) {
	listener, err := net.Listen("tcp", os.Getenv(floorAddress))
	if err != nil {
		log.Fatal(err)
	}
	if as == upstreamFloor {
		log.Fatal(serveUpstream(listener))
	}
	handler := http.HandlerFunc(refuse)
	if as != refusingFloor {
		handler = bareProxy(os.Getenv(floorUpstream)).ServeHTTP
	}
	if as == redisFloor {
		handler = askingRedis(os.Getenv(floorRedis), handler)
	}
	log.Fatal((&http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}).Serve(listener))
}

// bareProxy is a reverse proxy as the standard library has it.
func bareProxy(upstream string) http.Handler {
	target, err := url.Parse(upstream)
	if err != nil {
		log.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 2048, DisableCompression: true},
		ErrorLog:  log.New(os.Stderr, "", 0),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The server closes the body when the answer begins. A transport that looks just then
		// whether there is more of it takes that for a failure, and cuts the answer off.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	})
}

// floorLua admits a call under six limits, a packed value for the tenant and one for the user.
//
//go:embed floor.lua
var floorLua string

// askingRedis asks Redis once for each call.
func askingRedis(redisURL string, next http.HandlerFunc) http.HandlerFunc {
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		log.Fatal(err)
	}
	client, script := redis.NewClient(options), redis.NewScript(floorLua)
	if err := script.Load(context.Background(), client).Err(); err != nil {
		log.Fatal(err)
	}
	const bound, plenty = 1000, 1 << 50
	return func(w http.ResponseWriter, r *http.Request) {
		numbers := []float64{bound, plenty, plenty, plenty, plenty, 1e6, 1e6}
		packed := make([]byte, 0, 8*len(numbers))
		for _, n := range numbers {
			packed = binary.LittleEndian.AppendUint64(packed, math.Float64bits(n))
		}
		if admitted, err := script.EvalSha(r.Context(), client, []string{"tenant", "user"}, packed).Bool(); err != nil || !admitted {
			http.Error(w, fmt.Sprint("not admitted: ", err), http.StatusTooManyRequests)
			return
		}
		next(w, r)
	}
}

var refusalBody = append(bytes.Repeat([]byte("x"), 600), '\n') // as long as a refusal is

// refuse is the least that a refusal can be.
func refuse(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write(refusalBody) // the caller may have gone
}
