// An agent on the official SDK for Node: reads prompts from the command line, streams, and runs its tool.
const Anthropic = require("@anthropic-ai/sdk").default;

const ADD = {
  name: "add",
  description: "Adds two numbers.",
  input_schema: { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } }, required: ["a", "b"] },
};

async function answer(client, messages) {
  for (;;) {
    const stream = client.messages.stream({ model: "claude-haiku-4-5", max_tokens: 1024, messages, tools: [ADD] });
    const message = await stream.finalMessage();
    messages.push({ role: "assistant", content: message.content });
    const calls = message.content.filter((block) => block.type === "tool_use");
    if (!calls.length) return message.content.map((block) => block.text).join("");
    const results = calls.map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: String(input.a + input.b) }));
    messages.push({ role: "user", content: results });
  }
}

async function main() {
  const client = new Anthropic({ apiKey: "x" });
  const messages = [];
  for (const prompt of process.argv.slice(2)) {
    messages.push({ role: "user", content: prompt });
    console.log(await answer(client, messages));
  }
}

main().catch((error) => {
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
});
