// Plays a streamed tool loop through the official SDK and prints, as JSON, the bytes that came and the final text.
const Anthropic = require("@anthropic-ai/sdk").default;

const received = [];

async function watched(url, options) {
  const response = await fetch(url, options);
  const bytes = Buffer.from(await response.arrayBuffer());
  received.push(bytes.toString("base64"));
  return new Response(bytes, { status: response.status, headers: response.headers });
}

async function main() {
  const client = new Anthropic({ apiKey: "none", fetch: watched, maxRetries: 0 });
  const asked = JSON.parse(process.argv[2]);
  let final = await client.messages.stream(asked).finalMessage();
  while (final.stop_reason === "tool_use") {
    const calls = final.content.filter((block) => block.type === "tool_use");
    const echoed = final.content.map((block) =>
      block.type === "text"
        ? { type: "text", text: block.text }
        : { type: "tool_use", id: block.id, name: block.name, input: block.input },
    );
    const results = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "Linux" }));
    asked.messages.push({ role: "assistant", content: echoed }, { role: "user", content: results });
    final = await client.messages.stream(asked).finalMessage();
  }
  console.log(JSON.stringify({ received, text: final.content[0].text }));
}

main();
