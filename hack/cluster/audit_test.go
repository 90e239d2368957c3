package cluster_test

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"

	. "github.com/onsi/gomega"
)

// request is what a ServiceAccount of Bursar asked of the API server.
type request struct {
	Verb, RequestURI string
	User             struct{ Username string }
	Annotations      map[string]string
}

// audited are all requests until now.
func audited() (requests []request) {
	log, err := os.Open(kube.AuditLog)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = log.Close() }()
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue // the line is being written
		}
		requests = append(requests, r)
	}
	Expect(lines.Err()).NotTo(HaveOccurred())
	return requests
}

// forbidden are the requests that RBAC did not allow.
func forbidden() (which []string) {
	for _, r := range audited() {
		if r.Annotations["authorization.k8s.io/decision"] == "forbid" {
			which = append(which, r.User.Username+": "+r.Verb+" "+r.RequestURI)
		}
	}
	return which
}

// watches is how many watches managers have begun.
func watches() (n int) {
	for _, r := range audited() {
		if r.Verb == "watch" && strings.HasSuffix(r.User.Username, ":bursar-manager") {
			n++
		}
	}
	return n
}
