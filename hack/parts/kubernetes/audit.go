package kubernetes

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// audit makes the server record the requests of users, and whether they are allowed.
func (s *Server) audit(dir string, users []User) error {
	names := make([]string, len(users))
	for i, user := range users {
		names[i] = user.Name
	}
	quoted, err := json.Marshal(names)
	if err != nil {
		return err
	}
	policy := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, fmt.Appendf(nil, `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: %s}
- {level: None}
`, quoted), 0o600); err != nil {
		return err
	}
	s.AuditLog = filepath.Join(dir, "audit.log")
	if err := os.Remove(s.AuditLog); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.environment.ControlPlane.GetAPIServer().Configure().
		Set("audit-policy-file", policy).Set("audit-log-path", s.AuditLog)
	return nil
}

// Request is a request to the API server.
type Request struct {
	// Right is the right that the request needs, such as "patch
	// bursar.dev/tenantbudgets/status".
	Right string
	// URI is the path that was asked for.
	URI string
	// Forbidden is whether the user did not have the right. Not every 403 means that: a
	// namespace that is being deleted also refuses new objects.
	Forbidden bool
}

// Requests are the requests of audited users so far. A watch is there when it has begun,
// and again when it has ended.
func (s *Server) Requests() (requests []Request, err error) {
	log, err := os.Open(s.AuditLog)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb        string
			RequestURI  string
			Annotations map[string]string
			ObjectRef   *struct{ APIGroup, Resource, Subresource string }
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("%s: %w", s.AuditLog, err)
		}
		request := Request{URI: event.RequestURI, Forbidden: event.Annotations["authorization.k8s.io/decision"] == "forbid"}
		path, _, _ := strings.Cut(event.RequestURI, "?")
		request.Right = event.Verb + " " + path
		if ref := event.ObjectRef; ref != nil {
			request.Right = event.Verb + " " + RightTo(ref.APIGroup, strings.TrimSuffix(ref.Resource+"/"+ref.Subresource, "/"))
		}
		requests = append(requests, request)
	}
	return requests, lines.Err()
}

// RightTo is the part of a right that names a resource, such as
// "bursar.dev/tenantbudgets/status"; those of the core group have no group.
func RightTo(group, resource string) string { return strings.TrimPrefix(group+"/"+resource, "/") }
