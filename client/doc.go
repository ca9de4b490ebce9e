// Package client is what links to the orchestrator: the generated calls for those who command it, and [Process] for those
// whom it commands.
//
// A Process is all that an agent written in Go needs: it is one process of an agent, for one boot, and does what the rules
// ask of such a process.
//
//	process, err := client.NewProcess(client.Config{
//		BaseURL: "http://127.0.0.1:8080", AgentID: "scout", OccurrenceID: "scout-1", Handler: agent,
//	})
//	if err != nil { ... }
//	err = process.Run(ctx) // returns when this process is to exit
//
// [Process.Run] registers and sends heartbeats, asks to wake up, takes instructions from three ways at once (a callback,
// a long poll, the answer to a heartbeat), acknowledges each before it acts on it and acts on each once, and says stopped
// until that was heard. What the agent itself brings is a [Handler]: how it deliberates, wakes and stops.
//
// Three things make it trustworthy. The acknowledgement is a fence: what the service has withdrawn is acted on by nobody
// (rule 7.3). No clock of this machine decides whether an instruction is still good: the service's time is taken from its
// answers and carried on by the monotonic clock. And a service that is away, slow or restarted is waited for, with growing
// and jittered pauses, while the agent goes on with its work.
package client
