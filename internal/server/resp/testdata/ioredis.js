// Run by TestIORedis: node ioredis.js PORT. It prints ok.
const assert = require('assert');
const Redis = require('ioredis');

async function main() {
  const redis = new Redis({ port: Number(process.argv[2]), host: '127.0.0.1', retryStrategy: () => null });
  assert.strictEqual(await redis.set('k', 'v', 'EX', 100), 'OK');
  assert.strictEqual(await redis.get('k'), 'v');
  assert.strictEqual(await redis.get('none'), null);
  assert.strictEqual(await redis.ttl('k'), 100);
  assert.deepStrictEqual(await redis.mget('k', 'none'), ['v', null]);

  // A command of a script: EVALSHA, and EVAL when the server does not know it.
  redis.defineCommand('add', { numberOfKeys: 1, lua: 'let n = to_int(get @key1) + @arg1\nset @key1 n\nreturn n' });
  assert.strictEqual(await redis.add('n', 5), 5);
  await redis.script('FLUSH');
  assert.strictEqual(await redis.add('n', 5), 10);
  await assert.rejects(redis.eval("throw 'sold out', 'SOLDOUT'", 0), /^ReplyError: SOLDOUT sold out/);
  assert.deepStrictEqual(await redis.eval('return [1, "a", null, [@arg1]]', 0, 'x'), [1, 'a', null, ['x']]);

  const pipeline = redis.pipeline();
  for (let i = 0; i < 100; i++) pipeline.incr('p');
  const answers = await pipeline.exec();
  answers.forEach(([err, n], i) => assert.deepStrictEqual([err, n], [null, i + 1]));

  assert.deepStrictEqual(await redis.multi().set('a', 1).incr('a').exec(), [[null, 'OK'], [null, 2]]);
  const other = redis.duplicate();
  await other.watch('a');
  await redis.set('a', 7);
  assert.strictEqual(await other.multi().set('a', 8).exec(), null);

  const keys = [];
  for await (const part of redis.scanStream({ match: '*', count: 2 })) keys.push(...part);
  assert.deepStrictEqual(keys, ['a', 'k', 'n', 'p']);
  await Promise.all([redis.quit(), other.quit()]);
  console.log('ok');
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
