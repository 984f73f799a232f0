// A browser without a window, and pages of it that note what goes wrong in them.
import {chromium} from 'playwright-core';

export async function startBrowser() {
  return chromium.launch({
    executablePath: process.env.TRELLIS_CHROMIUM,
    args: ['--no-sandbox'], // the tests may run as root, for whom Chromium has no sandbox
  });
}

/** A page in a profile of its own. Its `complaints` are errors of scripts, and what the console calls an error. */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({acceptDownloads: true, ...options});
  const page = await context.newPage();
  page.complaints = [];
  page.origins = new Set();
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && page.complaints.push(message.text()));
  page.on('request', (request) => page.origins.add(new URL(request.url()).origin));
  page.setDefaultTimeout(20_000);
  await page.goto(url);
  return page;
}
