package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// signInPath is where Stack Auth's REST API signs users in by e-mail address and password.
const signInPath = "/api/v1/auth/password/sign-in"

// SampleProject is the project of the dev stack, and URLVariable the environment variable
// with the URL of its API.
const (
	SampleProject = "6c5b8f0e-2f64-4c8c-9d5f-2f1f3f0a7c11"
	URLVariable   = "STACK_AUTH_URL"
)

// stackUser is a user who can sign in over HTTP.
type stackUser struct{ id, password string }

// credentials are the body of a request to sign in, and signedIn is its answer.
type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

type signedIn struct {
	AccessToken string `json:"access_token"`
	UserID      string `json:"user_id"`
}

// AddUser lets a user sign in over HTTP, and returns the claim sub of its tokens.
func (s *StackAuth) AddUser(email, password string) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id = uuid.NewString()
	s.people[email] = stackUser{id, password}
	return id
}

func (s *StackAuth) signIn(w http.ResponseWriter, r *http.Request) {
	var asked credentials
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&asked)
	s.mu.Lock()
	user, ok := s.people[asked.Email]
	s.mu.Unlock()
	if err != nil || !ok || user.password != asked.Password || r.Header.Get("X-Stack-Project-Id") != s.Project {
		http.Error(w, `{"code": "EMAIL_PASSWORD_MISMATCH", "error": "Wrong e-mail or password."}`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	token := s.Token(Regular, user.id, asked.Email, time.Now(), nil)
	_, _ = w.Write(mustMarshal(signedIn{AccessToken: token, UserID: user.id})) // who hangs up asks again
}

// SignIn signs a user of a project of Stack Auth in, as its SDK does, and returns the access
// token.
func SignIn(ctx context.Context, url, project, email, password string) (token string, err error) {
	body := bytes.NewReader(mustMarshal(credentials{Email: email, Password: password}))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+signInPath, body)
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Stack-Access-Type", "client")
	request.Header.Set("X-Stack-Project-Id", project)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers with status %d: is the e-mail address or the password wrong?", url, response.StatusCode)
	}
	var answer signedIn
	err = json.NewDecoder(response.Body).Decode(&answer)
	return answer.AccessToken, err
}
