package litellm

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	notInSlug  = regexp.MustCompile(`[^a-z0-9]+`)
	notInUser  = regexp.MustCompile(`[^A-Za-z0-9._@+-]+`)
	isUser     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]*$`)
	isEmail    = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'+/=?^_{|}~-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
	isHash     = regexp.MustCompile(`^[0-9a-f]{64}$`)
	isReserved = regexp.MustCompile(`^(default|kube-.*|bursar-system)$`)
)

// maxSlug leaves room below the 63 characters of a label for what makes a name unique.
const maxSlug = 56

// slug turns a text into the name of an object.
func slug(text string) string {
	s := strings.Trim(notInSlug.ReplaceAllString(strings.ToLower(text), "-"), "-")
	if len(s) > maxSlug {
		s = strings.Trim(s[:maxSlug], "-")
	}
	return s
}

// userName turns a text into the name of a user.
func userName(text string) string {
	const most = 128
	if len(text) <= most && isUser.MatchString(text) {
		return text
	}
	s := strings.TrimLeft(notInUser.ReplaceAllString(text, "-"), "._@+-")
	return s[:min(len(s), most)]
}

// taken are the names that are in use.
type taken map[string]bool

// unique is the name, cut to what a label has room for, with a number if the name is taken.
func (t taken) unique(name string) string {
	const most = 59
	if len(name) > most {
		name = strings.Trim(name[:most], "-")
	}
	free := name
	for n := 2; t[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	t[free] = true
	return free
}
