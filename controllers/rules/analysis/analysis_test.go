package analysis_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	yamlreader "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/fakecache"
)

var update = flag.Bool("update", false, "write docs/mistakes.md anew")

// page is where users read the table.
const page = "../../../docs/mistakes.md"

// now is the time at which everything is analyzed.
var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// longest is how long a warning may be: the API server cuts longer ones.
const longest = 256

// TestMistakes: each change of an object of config/samples, and what is said of it then.
func TestMistakes(t *testing.T) {
	for _, group := range mistakes {
		for _, m := range group.rows {
			t.Run(m.change, func(t *testing.T) {
				got := said(t, group.object, m)
				if got != m.says {
					t.Errorf("got\n%s\nwant\n%s", got, m.says)
				}
				for _, line := range strings.Split(got, "\n") {
					if len(line) > longest {
						t.Errorf("a message has %d characters, more than the API server shows of a warning: %s", len(line), line)
					}
				}
			})
		}
	}
}

// TestSamplesAreMeant: nothing is said of what config/samples and config/providers have.
func TestSamplesAreMeant(t *testing.T) {
	for _, name := range []string{"TenantBudget/acme", "RateLimitPolicy/tiers", "ModelProvider/openai", "APIKey/gerente-1", "BudgetGrant/quarterly-report"} {
		if got := said(t, name, mistake{}); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	files, err := filepath.Glob("../../../config/providers/*.yaml")
	testkit.Must(t, err)
	for _, file := range files {
		for _, object := range read(t, file) {
			if provider, ok := object.(*v1alpha1.ModelProvider); ok {
				for _, w := range analysis.OfModelProvider(provider, now) {
					t.Errorf("%s: %s", file, w)
				}
			}
		}
	}
}

// TestPage: docs/mistakes.md has the table as it is here.
func TestPage(t *testing.T) {
	want := written()
	if *update {
		testkit.Must(t, os.WriteFile(page, []byte(want), 0o644))
	}
	got, err := os.ReadFile(page)
	testkit.Must(t, err)
	if string(got) != want {
		t.Errorf("%s is not what the table says: run go test ./controllers/rules/analysis -update", page)
	}
}

// written is the page.
func written() string {
	var b strings.Builder
	b.WriteString(introduction)
	for _, group := range mistakes {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| written in the spec | answer |\n|---|---|\n", group.title, group.about)
		for _, m := range group.rows {
			fmt.Fprintf(&b, "| %s | %s |\n", cells(m.change), cells(m.says))
		}
	}
	return b.String()
}

// cells are lines as lines of code in a cell of a table.
func cells(text string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		lines = append(lines, "`"+strings.ReplaceAll(line, "|", `\|`)+"`")
	}
	return strings.Join(lines, "<br>")
}

// said is what is said of the object "Kind/name" of the samples with the mistake: each warning,
// or "refused: " and why.
func said(t *testing.T, name string, m mistake) string {
	t.Helper()
	var object client.Object
	var there []client.Object
	for _, o := range append(samples(t), others(t, m.beside)...) {
		if kindOf(o)+"/"+o.GetName() == name {
			object = o
		}
		there = append(there, o)
	}
	reader := fakecache.New(t, there...)
	for _, line := range strings.Split(m.change, "\n") {
		if line != "" {
			object = changed(t, object, line)
		}
	}
	decision, warnings := analyzed(t, reader, object)
	if len(decision.Errors) > 0 {
		return answer(decision) + strings.Join(decision.Whys(), "\n"+answer(decision))
	}
	var lines []string
	for _, w := range warnings {
		lines = append(lines, w.String())
	}
	return strings.Join(lines, "\n")
}

// answer begins what the API server says of an object that is not accepted: one that names what is
// not there is stored, as that may yet be created.
func answer(decision acceptance.Decision) string {
	switch decision.Reason {
	case v1alpha1.ReasonTargetNotFound, v1alpha1.ReasonLimitNotFound, v1alpha1.ReasonParentNotFound, v1alpha1.ReasonIdentityProviderNotFound:
		return "has no effect yet: "
	}
	return "refused: "
}

func analyzed(t *testing.T, reader client.Reader, object client.Object) (acceptance.Decision, []analysis.Warning) {
	t.Helper()
	ctx, analyzer := t.Context(), analysis.NewAnalyzer(reader, func() time.Time { return now })
	switch object := object.(type) {
	case *v1alpha1.ModelProvider:
		decided, err := acceptance.DecideModelProvider(ctx, reader, object)
		testkit.Must(t, err)
		found, err := analyzer.ModelProvider(ctx, object)
		testkit.Must(t, err)
		return decided.Decision, found
	case *v1alpha1.TenantBudget:
		decided, err := acceptance.DecideTenantBudget(ctx, reader, object)
		testkit.Must(t, err)
		found, err := analyzer.TenantBudget(ctx, object, decided.Document)
		testkit.Must(t, err)
		return decided.Decision, found
	case *v1alpha1.RateLimitPolicy:
		decided, err := acceptance.DecideRateLimitPolicy(ctx, reader, object)
		testkit.Must(t, err)
		found, err := analyzer.RateLimitPolicy(ctx, object, decided.Targets)
		testkit.Must(t, err)
		return decided.Decision, found
	case *v1alpha1.APIKey:
		decided, err := acceptance.DecideAPIKey(ctx, reader, object)
		testkit.Must(t, err)
		found, err := analyzer.APIKey(ctx, object)
		testkit.Must(t, err)
		return decided.Decision, found
	case *v1alpha1.Membership:
		decided, err := acceptance.DecideMembership(ctx, reader, object)
		testkit.Must(t, err)
		found, err := analyzer.Membership(ctx, object)
		testkit.Must(t, err)
		return decided.Decision, found
	case *v1alpha1.BudgetGrant:
		decided, err := acceptance.DecideBudgetGrant(ctx, reader, object)
		testkit.Must(t, err)
		found, err := analyzer.BudgetGrant(ctx, object, decided.Budget)
		testkit.Must(t, err)
		return decided.Decision, found
	}
	t.Fatalf("no kind: %T", object)
	return acceptance.Decision{}, nil
}

// samples are the objects of config/samples, accepted.
func samples(t *testing.T) []client.Object {
	t.Helper()
	files, err := filepath.Glob("../../../config/samples/*.yaml")
	testkit.Must(t, err)
	var all []client.Object
	for _, file := range files {
		all = append(all, read(t, file)...)
	}
	return all
}

// read reads the objects of a file, as the API server would have them.
func read(t *testing.T, file string) []client.Object {
	t.Helper()
	data, err := os.ReadFile(file)
	testkit.Must(t, err)
	return others(t, string(data))
}

// others are objects in YAML.
func others(t *testing.T, data string) []client.Object {
	t.Helper()
	var all []client.Object
	documents := yamlreader.NewYAMLReader(newBuffered(data))
	for {
		document, err := documents.Read()
		if err != nil {
			return all
		}
		var meta metav1.TypeMeta
		testkit.Must(t, yaml.Unmarshal(document, &meta))
		object := empty(t, meta.Kind)
		if object == nil {
			continue
		}
		testkit.Must(t, yaml.UnmarshalStrict(document, object))
		all = append(all, stored(object))
	}
}

// empty is an object of a kind; nil where it is not one of Bursar's.
func empty(t *testing.T, kind string) client.Object {
	t.Helper()
	object, err := fakecache.Scheme(t).New(v1alpha1.GroupVersion.WithKind(kind))
	if err != nil {
		return nil
	}
	return object.(client.Object)
}

func kindOf(object client.Object) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", object), "*v1alpha1.")
}

// stored is the object as the API server and the manager have left it.
func stored(object client.Object) client.Object {
	object.SetUID(types.UID(object.GetNamespace() + "/" + object.GetName()))
	object.SetCreationTimestamp(metav1.NewTime(now))
	accepted := []metav1.Condition{{Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAccepted}}
	switch object := object.(type) {
	case *v1alpha1.TenantBudget:
		object.Namespace = cmp.Or(object.Namespace, "acme")
		object.Status.Conditions = accepted
	case *v1alpha1.IdentityProvider:
		object.Status.Conditions = accepted
	case *v1alpha1.ModelProvider:
		object.Spec.Protocol = cmp.Or(object.Spec.Protocol, "OpenAI")
	}
	return object
}

var step = regexp.MustCompile(`[A-Za-z0-9]+|\[\d+\]`)

// changed is the object with a field as the line "path: value" has it.
func changed(t *testing.T, object client.Object, line string) client.Object {
	t.Helper()
	path, text, _ := strings.Cut(line, ": ")
	var value any
	testkit.Must(t, yaml.Unmarshal([]byte(text), &value))
	all, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	testkit.Must(t, err)
	steps := step.FindAllString("spec."+path, -1)
	var at any = all
	for _, name := range steps[:len(steps)-1] {
		at = *place(at, name)
	}
	put(at, steps[len(steps)-1], value)
	is := empty(t, kindOf(object))
	testkit.Must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(all, is))
	return is
}

// place is where a member or an element is.
func place(at any, name string) *any {
	if list, ok := at.([]any); ok {
		i, _ := strconv.Atoi(strings.Trim(name, "[]"))
		return &list[i]
	}
	member := at.(map[string]any)[name]
	if member == nil {
		member = map[string]any{}
		at.(map[string]any)[name] = member
	}
	return &member
}

func put(at any, name string, value any) {
	if list, ok := at.([]any); ok {
		i, _ := strconv.Atoi(strings.Trim(name, "[]"))
		list[i] = value
		return
	}
	if value == nil {
		delete(at.(map[string]any), name)
		return
	}
	at.(map[string]any)[name] = value
}
