package identity

import (
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
)

const (
	// maxExpression is the length of the longest expression.
	maxExpression = 4 << 10
	// maxCost is the highest cost of an expression, in CEL's units, of which a processor
	// executes about ten million a second. It is estimated when the expression is compiled,
	// and counted when it runs.
	maxCost = 1_000_000
	// estimatedElements and estimatedCharacters are the assumed lengths of the lists and the
	// strings of a token in the estimate.
	estimatedElements, estimatedCharacters = 256, 1024
)

// The variables of expressions.
const (
	claimsVariable = "claims"
	userVariable   = "user"
)

// userValue is the variable user of userValidationRules: the result of the claimMappings.
type userValue struct {
	Username string            `cel:"username"`
	Tenants  []string          `cel:"tenants"`
	Tier     string            `cel:"tier"`
	Admin    bool              `cel:"admin"`
	Groups   []string          `cel:"groups"`
	Labels   map[string]string `cel:"labels"`
}

// claimsEnvironment and userEnvironment are the CEL environments of expressions over claims,
// and over the user.
var (
	claimsEnvironment = sync.OnceValue(func() *cel.Env {
		return newEnvironment(cel.Variable(claimsVariable, cel.MapType(cel.StringType, cel.DynType)))
	})
	userEnvironment = sync.OnceValue(func() *cel.Env {
		return newEnvironment(
			ext.NativeTypes(reflect.TypeFor[userValue](), ext.ParseStructTags(true)),
			cel.Variable(userVariable, cel.ObjectType("identity.userValue")),
		)
	})
)

func newEnvironment(options ...cel.EnvOption) *cel.Env {
	libraries := []cel.EnvOption{cel.OptionalTypes(), ext.Strings(), ext.Sets(), ext.Lists(ext.ListsVersion(1))}
	environment, err := cel.NewEnv(append(libraries, options...)...)
	if err != nil {
		panic(fmt.Sprintf("the CEL environment: %v", err)) // it depends only on this file
	}
	return environment
}

// expression is a compiled expression.
type expression struct {
	program cel.Program
	// claims are the names of the claims that it reads as claims.NAME or claims["NAME"].
	claims map[string]bool
}

// compileExpression compiles an expression whose value has one of some types, or a type that
// is only known when it runs.
func compileExpression(environment *cel.Env, source string, want ...*cel.Type) (*expression, error) {
	if len(source) > maxExpression {
		return nil, fmt.Errorf("it is longer than %d bytes", maxExpression)
	}
	checked, issues := environment.Compile(source)
	if err := firstIssue(issues); err != nil {
		return nil, err
	}
	if got := checked.OutputType(); !isOneOf(got, want) {
		return nil, fmt.Errorf("its value is of the type %s, not %s", got, typeNames(want))
	}
	cost, err := environment.EstimateCost(checked, sizes{})
	if err != nil {
		return nil, fmt.Errorf("estimate its cost: %w", err)
	}
	if cost.Max > maxCost {
		return nil, fmt.Errorf("it may cost %d, more than the limit of %d: avoid loops within loops", cost.Max, maxCost)
	}
	program, err := environment.Program(checked, cel.CostLimit(maxCost), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, err
	}
	return &expression{program: program, claims: claimsRead(checked)}, nil
}

// firstIssue is the first error of an expression, in one line.
func firstIssue(issues *cel.Issues) error {
	if issues.Err() == nil {
		return nil
	}
	first := issues.Errors()[0]
	return fmt.Errorf("line %d, column %d: %s", first.Location.Line(), first.Location.Column()+1, first.Message)
}

// isOneOf reports whether a type is one of those that are wanted, or may turn out to be one.
func isOneOf(got *cel.Type, want []*cel.Type) bool {
	if got.Kind() == types.OpaqueKind && got.TypeName() == "optional_type" {
		got = got.Parameters()[0]
	}
	return got.IsExactType(cel.DynType) || slices.ContainsFunc(want, func(t *cel.Type) bool {
		return got.IsExactType(t) || t.Kind() == cel.ListKind && got.IsExactType(cel.ListType(cel.DynType))
	})
}

func typeNames(want []*cel.Type) (names string) {
	for i, t := range want {
		if i > 0 {
			names += " or "
		}
		names += t.String()
	}
	return names
}

// run is the value of the expression for a value of the variable.
func (e *expression) run(variable string, value any) (ref.Val, error) {
	result, _, err := e.program.Eval(map[string]any{variable: value})
	if err != nil {
		return nil, err
	}
	if optional, ok := result.(*types.Optional); ok {
		if !optional.HasValue() {
			return types.NullValue, nil
		}
		result = optional.GetValue()
	}
	return result, nil
}

// isTrue reports whether the expression is true.
func (e *expression) isTrue(variable string, value any) (bool, error) {
	result, err := e.run(variable, value)
	return result == types.True, err
}

// sizes are the estimated sizes of a token's values, of which only the total length is
// known.
type sizes struct{}

func (sizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	most := uint64(estimatedElements)
	if kind := node.Type(); kind != nil && kind.Kind() == types.StringKind {
		most = estimatedCharacters
	}
	return &checker.SizeEstimate{Max: most}
}

func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// claimsRead are the names of the claims that an expression reads.
func claimsRead(checked *cel.Ast) map[string]bool {
	read := map[string]bool{}
	ast.PreOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if name, ok := claimRead(e); ok {
			read[name] = true
		}
	}))
	return read
}

// claimRead is the claim that an expression reads by itself, if it reads one.
func claimRead(e ast.Expr) (name string, ok bool) {
	switch e.Kind() {
	case ast.SelectKind:
		selected := e.AsSelect()
		return selected.FieldName(), isClaims(selected.Operand())
	case ast.CallKind:
		args := e.AsCall().Args() // claims["name"], claims.?name, claims[?"name"]
		if len(args) != 2 || !isClaims(args[0]) || args[1].Kind() != ast.LiteralKind {
			return "", false
		}
		name, ok = args[1].AsLiteral().Value().(string)
	}
	return name, ok
}

func isClaims(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == claimsVariable }
