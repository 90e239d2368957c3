package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestCheck: `enforcer --check` tells an enforcer from what is none.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	if err := check(t.Context(), "http://"+e.callsAt.Addr().String()+"/"); err != nil {
		t.Errorf("an enforcer: %v", err)
	}
	for name, answer := range map[string]http.HandlerFunc{
		"a page":            func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"another API":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data":[]}`)) },
		"another's refusal": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"error":"no"}`, http.StatusUnauthorized) },
	} {
		other := httptest.NewServer(answer)
		if err := check(t.Context(), other.URL); err == nil {
			t.Errorf("%s is taken for an enforcer", name)
		}
		other.Close()
	}
	if err := check(t.Context(), "http://127.0.0.1:1"); err == nil {
		t.Error("nobody is taken for an enforcer")
	}
}
