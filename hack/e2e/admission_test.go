package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// countAnswers makes concurrent calls of one cent through two enforcers and counts
// them by their answer.
func countAnswers(t *testing.T, tenant string, calls int) map[string]int {
	t.Helper()
	return countAnswersThrough(t, http.DefaultClient, bursar.EnforcerURLs, tenant, calls)
}

// answerOf is the status of the answer and, of a refusal, the error's code.
func answerOf(response *http.Response) string {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	if response.StatusCode == http.StatusOK {
		return "200"
	}
	var refusal struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &refusal); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", response.StatusCode, refusal.Error.Code)
}
