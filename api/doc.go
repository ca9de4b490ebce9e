// Package api is the service as HTTP clients see it.
//
// openapi.yaml is the contract. From it comes openapi.gen.go: the models, for each
// operation a request object and its answers, the interface
// [StrictServerInterface], and a table of routes. [NewHandler] serves the table,
// and looks at a request in the order of rule 10.6: path and method, credentials,
// rights, the request rate, body and parameters, all of which is done here for
// every operation alike; then the operation's method is called, which finds out
// about existence and state.
//
// A method answers with one of its response objects or with an error. An error
// becomes a problem document in one place, problem.go: by what its Code method
// says, looked up in the table of codes.go. Whatever has no code of that table is
// an internal error, told to the log and not to the client. See [Coded] for what
// else an error may carry.
package api
